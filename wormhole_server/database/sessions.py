"""
The check of a PostgreSQL database's sessions: a pooler that shares them is refused.

Owns what the operator is told. What is checked stands in `rendezvous.ledger.pooler`.
"""

from __future__ import annotations

from sqlalchemy import Engine

from wormhole_server.config.database_url import masked
from wormhole_server.database.failures import database_failure, describe_pooler, failures_reported
from wormhole_server.errors import StartError


def check_sessions(engine: Engine) -> None:
    """
    Check that connections keep their sessions. Nothing is changed; on SQLite nothing is done.

    :raises StartError: they do not, or the database cannot be reached.
    """
    if engine.dialect.name == "sqlite":
        return
    # psycopg belongs to an extra that is not installed with SQLite only.
    import psycopg  # noqa: PLC0415

    from rendezvous.ledger.pooler import lost_sessions  # noqa: PLC0415

    try:
        with failures_reported(engine.url):
            lost = lost_sessions(engine)
    except psycopg.Error as error:
        raise database_failure(engine.url, error) from error
    if lost is not None:
        raise StartError(f"database: {masked(engine.url)} {describe_pooler(lost)}")
