"""
Database URLs: which are taken, and what to write in place of those that are not.

Owns the check, and how a URL is shown without its secret. Opens nothing.
"""

from __future__ import annotations

import importlib

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

SQLITE = "sqlite"
POSTGRES = "postgresql+psycopg"

# What SQLAlchemy itself puts in the place of a password.
MASK = "***"

_EXAMPLES = "sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/NAME"

# What libpq, hosting services and older tools call the same thing.
_ALSO_KNOWN = {
    "sqlite+pysqlite": SQLITE,
    "postgres": POSTGRES,
    "postgresql": POSTGRES,
}


def parse_database_url(raw: object) -> URL:
    """
    The URL of a SQLite file, or of PostgreSQL through psycopg; other names for the same are mended.

    No message repeats the URL: it may hold a password.

    :raises ValueError: it is neither, or what it needs is not installed.
    """
    if not isinstance(raw, str):
        raise ValueError(f"the URL is not a text; write {_EXAMPLES}")
    try:
        url = make_url(raw)
    except (ArgumentError, ValueError) as error:
        raise ValueError(
            f"the URL is not one of a database; write {_EXAMPLES}, with any / : @ ? in the password "
            "percent-encoded, and several hosts as ?host=ONE:PORT&host=OTHER:PORT"
        ) from error
    url = url.set(drivername=_ALSO_KNOWN.get(url.drivername, url.drivername))
    if MASK in _secrets(url):
        raise ValueError(
            f"the URL has {MASK} for a password, which is what `config show` writes in its place; "
            "write the password itself"
        )
    if url.drivername == SQLITE:
        return _checked_sqlite(url)
    if url.drivername == POSTGRES:
        return _checked_postgres(url)
    raise ValueError(f"{url.drivername}:// is not a database that is known here; write {_EXAMPLES}")


def masked(url: URL) -> str:
    """The URL with `***` for its password, wherever it stands."""
    if "password" in url.query:
        url = url.update_query_dict({"password": MASK})
    return url.render_as_string(hide_password=True).replace("%2A%2A%2A", MASK)


def _secrets(url: URL) -> set[str]:
    in_query = url.query.get("password", ())
    return {url.password or "", *([in_query] if isinstance(in_query, str) else in_query)}


def _checked_sqlite(url: URL) -> URL:
    if url.host:
        raise ValueError(
            "the URL has two slashes where SQLite needs three (sqlite:///FILE), or four for an "
            "absolute path (sqlite:////var/lib/wormhole/server.db)"
        )
    if url.database in (None, "", ":memory:"):
        raise ValueError(
            "the URL names no file, and memory is lost at a stop; write sqlite:///FILE"
        )
    return url


def _checked_postgres(url: URL) -> URL:
    try:
        # Without libpq, psycopg is there and still cannot be imported.
        for module in ("psycopg", "greenlet"):
            importlib.import_module(module)
    except ImportError as error:
        raise ValueError(
            "the URL is one of PostgreSQL, whose driver is not installed; "
            "run pip install '.[postgres]' in the checkout"
        ) from error
    if not url.database:
        raise ValueError(f"the URL names no database; write {POSTGRES}://USER:PASSWORD@HOST/NAME")
    return url
