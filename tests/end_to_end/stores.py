"""
The databases that a server is tested on.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.databases import drop_postgres, new_postgres_url, sqlite_url

STORES = ("sqlite", "postgres")


@contextmanager
def database(kind: str, where: Path) -> Iterator[str]:
    """The URL of an empty database."""
    if kind == "sqlite":
        yield sqlite_url(where).render_as_string()
        return
    url = new_postgres_url()
    try:
        yield url.render_as_string(hide_password=False)
    finally:
        drop_postgres(url)
