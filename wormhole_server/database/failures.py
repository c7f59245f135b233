"""
Database failures in words: what is wrong, why, and what the operator can do.

Owns the texts, and that none of them repeats what a driver says about values: those come from clients.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL
from sqlalchemy.exc import SQLAlchemyError

from wormhole_server.config.database_url import masked
from wormhole_server.errors import DatabaseUnavailableError, StartError

_NO_ANSWER = "does not answer"
# Classes of PostgreSQL's error codes: connection exception, insufficient resources, operator intervention.
_CONNECTION_FAILURE = "08"
_UNAVAILABLE = (_CONNECTION_FAILURE, "53", "57")


@contextmanager
def failures_reported(url: URL) -> Iterator[None]:
    """
    Turn SQLAlchemy's errors into a line for the operator.

    :raises StartError: in place of any SQLAlchemyError.
    """
    try:
        yield
    except SQLAlchemyError as error:
        raise database_failure(url, error) from error


def database_failure(url: URL, error: Exception) -> StartError:
    """Make the line for the operator from an error of SQLAlchemy's or of a driver's."""
    kind = DatabaseUnavailableError if _is_unavailable(error) else StartError
    return kind(f"database: {masked(url)} {describe_failure(url, error)}")


def describe_failure(url: URL, error: Exception) -> str:
    """Say what is wrong with a database and what to do; the text continues a sentence that names it."""
    first = _first_line(error)
    return (
        _describe_sqlite(url, first)
        if url.get_backend_name() == "sqlite"
        else _describe_postgres(first)
    )


def _is_unavailable(error: Exception) -> bool:
    """Whether PostgreSQL may accept the same connection later, as far as can be told."""
    # A driver's error without a code comes from the attempt to connect.
    cause = getattr(error, "orig", None) or error
    return (
        hasattr(cause, "sqlstate")
        and (cause.sqlstate or _CONNECTION_FAILURE).startswith(_UNAVAILABLE)
        and _describe_postgres(_first_line(error)).startswith(_NO_ANSWER)
    )


def _first_line(error: Exception) -> str:
    cause = getattr(error, "orig", None) or error
    # psycopg writes a line for each address that it tried.
    return next(iter(str(cause).strip().splitlines()), type(cause).__name__)


def describe_pooler(lost: str) -> str:
    """Say what a pooler does, and what to do about it; continues a sentence as `describe_failure` does."""
    return (
        f"is behind a pooler that {lost}, so commands would fail and messages be missed; set "
        "pool_mode=session in pgbouncer, or name PostgreSQL itself in the URL"
    )


def _describe_postgres(first: str) -> str:
    if "statement pooling mode" in first:
        return describe_pooler("shares sessions between its clients")
    if "read-only" in first:
        return (
            f"cannot be written to: {first}; name the primary in the URL, and check "
            "default_transaction_read_only there"
        )
    if "permission denied" in first:
        return f"cannot be used: {first}; make this user its owner: ALTER DATABASE … OWNER TO …"
    if 'database "' in first and "does not exist" in first:
        return (
            f"cannot be used: {first}; create it: createdb --owner=USER NAME, or name another one"
        )
    if "password" in first:
        return f"refuses the login: {first}; check the user and the password in the URL"
    if "pg_hba.conf" in first or "FATAL:  role" in first:
        return f"refuses the login: {first}; check pg_hba.conf there, and the user in the URL"
    return f"{_NO_ANSWER}: {first}; check that PostgreSQL runs there and accepts this user"


def _describe_sqlite(url: URL, first: str) -> str:
    if "locked" in first:
        return "is locked by another program; stop that program first"
    if "not a database" in first:
        return "is not a SQLite database; give --database another path"
    if "malformed" in first:
        return f"is damaged: {first}; stop the server, move the file away and restore a backup"
    if "full" in first:
        return f"cannot be used: {first}; free some space on that disk"
    directory = Path(url.database or "").absolute().parent
    if not directory.is_dir():
        return (
            f"cannot be created: there is no directory {directory}; create the directory, or give "
            "--database another path"
        )
    return f"cannot be used: {first}; check that this user may write to the file and its directory"
