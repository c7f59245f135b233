"""
Database URLs: parsed, checked, and shown without their password. Opens no database.

SQLAlchemy is imported where a URL is parsed: commands that use no database do without it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, NewType

if TYPE_CHECKING:
    from sqlalchemy import URL

# A database URL that has been checked, with the driver names that SQLAlchemy uses.
DatabaseUrl = NewType("DatabaseUrl", str)

SQLITE = "sqlite"
POSTGRES = "postgresql+psycopg"

# What SQLAlchemy itself writes in place of a password.
MASK = "***"

_EXAMPLES = "sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/NAME"

# Names that libpq, hosting services and older tools use for the same drivers.
_ALSO_KNOWN = {
    "sqlite+pysqlite": SQLITE,
    "postgres": POSTGRES,
    "postgresql": POSTGRES,
}


def parse_database_url(raw: object) -> DatabaseUrl:
    """
    Parse the URL of a SQLite file, or of PostgreSQL through psycopg.

    No error message repeats the URL, which may contain a password.

    :raises ValueError: it is not such a URL, or the driver is not installed.
    """
    from sqlalchemy import make_url  # noqa: PLC0415 - see above
    from sqlalchemy.exc import ArgumentError  # noqa: PLC0415

    if not isinstance(raw, str):
        raise ValueError(f"the URL is not a string; write {_EXAMPLES}")
    try:
        url = make_url(raw)
    except (ArgumentError, ValueError) as error:
        raise ValueError(
            f"the URL is not a database URL; write {_EXAMPLES}, with any / : @ ? in the password "
            "percent-encoded, and several hosts as ?host=ONE:PORT&host=OTHER:PORT"
        ) from error
    url = url.set(drivername=_ALSO_KNOWN.get(url.drivername, url.drivername))
    if MASK in _secrets(url):
        raise ValueError(
            f"the URL contains {MASK} in place of the password, as `config show` prints it; "
            "write the password itself"
        )
    if url.drivername == SQLITE:
        _check_sqlite(url)
    elif url.drivername == POSTGRES:
        _check_postgres(url)
    else:
        raise ValueError(f"{url.drivername}:// is not a supported database; write {_EXAMPLES}")
    return DatabaseUrl(url.render_as_string(hide_password=False))


def as_url(checked: DatabaseUrl) -> URL:
    """Convert to SQLAlchemy's type."""
    from sqlalchemy import make_url  # noqa: PLC0415 - see above

    return make_url(checked)


def show_database_url(checked: DatabaseUrl) -> str:
    """Write a URL with `***` in place of a password."""
    return masked(as_url(checked))


def masked(url: URL) -> str:
    """Write the URL with `***` in place of a password, in the user part or in the query."""
    if "password" in url.query:
        url = url.update_query_dict({"password": MASK})
    return url.render_as_string(hide_password=True).replace("%2A%2A%2A", MASK)


def _secrets(url: URL) -> set[str]:
    in_query = url.query.get("password", ())
    return {url.password or "", *([in_query] if isinstance(in_query, str) else in_query)}


def _check_sqlite(url: URL) -> None:
    if url.host:
        raise ValueError(
            "the URL has two slashes; write three for a SQLite file (sqlite:///FILE), or four for "
            "an absolute path (sqlite:////var/lib/wormhole/server.db)"
        )
    if url.database in (None, "", ":memory:"):
        raise ValueError(
            "the URL names no file, and a database in memory would be lost; write sqlite:///FILE"
        )


def _check_postgres(url: URL) -> None:
    try:
        # psycopg can be installed and fail to import because libpq is missing.
        for module in ("psycopg", "greenlet"):
            importlib.import_module(module)
    except ImportError as error:
        raise ValueError(
            "the URL is for PostgreSQL, and its driver is not installed; "
            "run pip install '.[postgres]' in the checkout"
        ) from error
    if not url.database:
        raise ValueError(f"the URL names no database; write {POSTGRES}://USER:PASSWORD@HOST/NAME")
