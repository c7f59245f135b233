"""
The settings for the database, for how long rows are kept, and for usage records.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from wormhole_server.config import kinds
from wormhole_server.config.database_url import DatabaseUrl, as_url, show_database_url
from wormhole_server.config.durations import Seconds
from wormhole_server.config.option import Effect, setting

if TYPE_CHECKING:
    from sqlalchemy import URL

_MINUTE = 60
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR


@attrs.frozen(kw_only=True, slots=False)
class StorageSettings:
    """What is stored where, and for how long."""

    database: DatabaseUrl = setting(
        kinds.DATABASE,
        "The database of nameplates, mailboxes, messages and usage records: sqlite:///FILE, or "
        "postgresql+psycopg://USER:PASSWORD@HOST/NAME.",
        default=DatabaseUrl("sqlite:///wormhole-server.db"),
        repr=show_database_url,
    )
    # Each holds a connection and one batch. With two the batches are half as large, each of which has its
    # price, and the threads compete for the interpreter; docs/performance.md has the figures.
    database_threads: int = setting(
        kinds.number("a number of threads", 1, 64),
        "How many threads, each with a connection, use PostgreSQL. More than one pays only for hundreds of "
        "exchanges at once with a database that is milliseconds away. SQLite always uses one.",
        default=1,
    )
    # A machine that boots, a crash recovery and a failover have their database back within a minute or two.
    # Longer outages are better shown by an exit status than by a start that does not end.
    database_wait: Seconds = setting(
        kinds.DURATION_OR_ZERO,
        "How long a server that starts waits for PostgreSQL to become available; until then it is not "
        "ready, and answers 503. After that it exits with an error.",
        default=Seconds(2 * _MINUTE),
    )
    # People read a nameplate out and type it within minutes. The fewer are in use, the shorter they are.
    nameplate_expiry: Seconds = setting(
        kinds.DURATION,
        "How long a nameplate without a connected client is kept after its last use.",
        default=Seconds(_HOUR),
        effect=Effect.AT_ONCE,
    )
    # A client that lost its network reconnects within a day, or has been closed.
    mailbox_expiry: Seconds = setting(
        kinds.DURATION,
        "How long a mailbox without a connected client is kept after its last use.",
        default=Seconds(_DAY),
        effect=Effect.AT_ONCE,
    )
    # A small part of the shortest useful expiry, and rare for a query that only reads an index.
    expiry_interval: Seconds = setting(
        kinds.DURATION,
        "How often to delete what has expired; at least four times within the shortest expiry.",
        default=Seconds(_MINUTE),
        effect=Effect.AT_ONCE,
    )
    # Three months show a trend; longer storage is hard to justify.
    usage_retention: Seconds | None = setting(
        kinds.OPTIONAL_DURATION,
        "How long usage records are kept; none: for ever.",
        default=Seconds(90 * _DAY),
        effect=Effect.AT_ONCE,
    )
    blur_usage: Seconds | None = setting(
        kinds.OPTIONAL_DURATION,
        "Round the times in usage records down to a multiple of this, and sizes up to two digits.",
        default=None,
        effect=Effect.AT_ONCE,
    )
    log_fd: int | None = setting(
        kinds.number("a file descriptor", 0, 1 << 20, none=True),
        "Also write the relay's usage records to this file descriptor, one JSON object per line.",
        default=None,
    )

    @property
    def database_url(self) -> URL:
        """Return `database` in SQLAlchemy's type."""
        return as_url(self.database)
