"""
The pooler check: whether connections to PostgreSQL keep their session, with a pooler in between or without.

Owns the check, which changes nothing in the database. The ledger prepares statements and the listener
listens, and both last for a session. A pooler that shares a session between clients, such as pgbouncer with
pool_mode=transaction, loses what one client has set and shows it to others.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import psycopg
from psycopg import sql
from sqlalchemy import Engine

# A notification takes a round trip. Without a pooler nobody waits for this time; on an overloaded machine a
# check that gives up too early would refuse a good database.
_NOTIFICATION_SECONDS = 10.0
_BACKEND = "SELECT pg_backend_pid()"
# After a loss all lanes check. One at a time they need only two more connections, and a pool is limited.
_one_check = threading.Lock()


def lost_sessions(engine: Engine) -> str | None:
    """
    Find out whether a pooler loses what belongs to a session.

    :param engine: of a PostgreSQL database; its pool must keep no connections.
    :return: what is lost, to follow "a pooler that"; None where sessions are kept.
    :raises psycopg.Error: the database cannot be reached.
    """
    with _one_check, _session(engine) as listener, _session(engine) as other:
        backend = _backend(listener)
        # Within a transaction every pooler gives a client a session of its own. One that is given away
        # although the other client is still connected is shared.
        with other.transaction():
            if _backend(other) == backend:
                return "shares sessions between its clients"
        channel = f"wormhole_{secrets.token_hex(8)}"
        listener.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
        other.execute("SELECT pg_notify(%s, '')", [channel])
        if not list(listener.notifies(timeout=_NOTIFICATION_SECONDS, stop_after=1)):
            return "does not deliver notifications"
    return None


@contextmanager
def _session(engine: Engine) -> Iterator[psycopg.Connection]:
    proxy = engine.raw_connection()
    try:
        connection = cast("psycopg.Connection", proxy.driver_connection)
        connection.rollback()
        connection.autocommit = True
        yield connection
    finally:
        # It may still listen, so it must not be used for anything else.
        proxy.invalidate()


def _backend(connection: psycopg.Connection) -> int:
    row = connection.execute(_BACKEND).fetchone()
    return 0 if row is None else int(row[0])
