"""
What the usage records of some days come to: counts and durations, by day, app or client.

Owns the queries. The database does the counting; what comes back is one row for each group, mood and second
of duration, so that medians are right to the second however many records there are.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Mapping
from typing import Any

import attrs
import sqlalchemy as sa
from sqlalchemy import Column, ColumnElement, Connection, Table

from rendezvous import schema
from rendezvous.moods import Mood
from transit_relay.observer import Mood as RelayMood
from wormhole_server.usage import relay_usage

DAY_SECONDS = 86400

# A day since the epoch, an app id, or a client's name and version.
Key = tuple[Any, ...]


class By(enum.Enum):
    """What records are put together by."""

    DAY = "day"  # of UTC
    APP = "app"  # the relay knows none, and is left out
    CLIENT = "client"  # the program and its version, as clients say when they connect


@attrs.define
class Figures:
    """
    What is known of one group.

    :ivar nameplates: that ended.
    :ivar moods: of the mailboxes that ended.
    :ivar seconds: from the first side's coming to the end, of happy mailboxes: how many took how long.
    :ivar clients: that said which program they are; one for each connection.
    :ivar relay_connections: that ended.
    :ivar relay_pairs: among them, each counted once.
    :ivar relay_bytes: relayed, both directions together.
    """

    nameplates: int = 0
    moods: Counter[Mood] = attrs.field(factory=Counter)
    seconds: Counter[int] = attrs.field(factory=Counter)
    clients: int = 0
    relay_connections: int = 0
    relay_pairs: int = 0
    relay_bytes: int = 0

    @property
    def mailboxes(self) -> int:
        """That ended."""
        return self.moods.total()

    def quantile(self, share: float) -> int | None:
        """Whole seconds within which so much of the happy mailboxes were done; None without any."""
        rank = share * self.seconds.total()
        passed = 0
        for second in sorted(self.seconds):
            passed += self.seconds[second]
            if passed >= rank:
                return second
        return None

    def add(self, other: Figures) -> None:
        """Take in another group."""
        self.nameplates += other.nameplates
        self.moods += other.moods
        self.seconds += other.seconds
        self.clients += other.clients
        self.relay_connections += other.relay_connections
        self.relay_pairs += other.relay_pairs
        self.relay_bytes += other.relay_bytes


def figures(connection: Connection, by: By, since: float) -> Mapping[Key, Figures]:
    """All groups that have records which began at `since`, in seconds since the epoch, or later."""
    found: dict[Key, Figures] = {}

    def group(key: Key) -> Figures:
        return found.setdefault(key, Figures())

    for *key, number in _grouped(connection, schema.client_usage, by, since):
        group(tuple(key)).clients += number
    if by is By.CLIENT:
        return found
    for *key, number in _grouped(connection, schema.nameplate_usage, by, since):
        group(tuple(key)).nameplates += number
    boxes = schema.mailbox_usage
    second = _whole(connection, boxes.c.total_seconds)
    for *key, mood, took, number in _grouped(connection, boxes, by, since, boxes.c.mood, second):
        figure = group(tuple(key))
        figure.moods[Mood(mood)] += number
        if mood == Mood.HAPPY.value:
            figure.seconds[took] += number
    if by is By.DAY:
        paired = relay_usage.c.waiting_seconds.is_not(None) & (
            relay_usage.c.mood != RelayMood.JILTED.value
        )
        sums = sa.func.sum(relay_usage.c.bytes)
        rows = _grouped(connection, relay_usage, by, since, paired.label("paired"), sums=sums)
        for day, is_pair, size, number in rows:
            figure = group((day,))
            figure.relay_connections += number
            figure.relay_pairs += number if is_pair else 0
            figure.relay_bytes += int(size)
    return found


def _grouped(
    connection: Connection,
    table: Table,
    by: By,
    since: float,
    *more: ColumnElement[Any] | Column[Any],
    sums: ColumnElement[Any] | None = None,
) -> list[tuple[Any, ...]]:
    """The key, what more is asked for, a sum where one is, and how many records they have."""
    keys: list[ColumnElement[Any]]
    match by:
        case By.DAY:
            keys = [_whole(connection, table.c.started / DAY_SECONDS)]
        case By.APP:
            keys = [table.c.app]
        case By.CLIENT:
            keys = [table.c.implementation, table.c.version]
    groups = [*keys, *more]
    wanted = [*groups, *([] if sums is None else [sums]), sa.func.count()]
    # By position: PostgreSQL does not see that two parameters are the same.
    positions: list[ColumnElement[Any]] = [
        sa.literal_column(str(number + 1)) for number in range(len(groups))
    ]
    statement = sa.select(*wanted).where(table.c.started >= since).group_by(*positions)
    return [tuple(row) for row in connection.execute(statement)]


def _whole(connection: Connection, value: ColumnElement[Any]) -> ColumnElement[Any]:
    """Without the fraction. SQLite cuts it off and need not have floor(); PostgreSQL would round."""
    cut = value if connection.dialect.name == "sqlite" else sa.func.floor(value)
    return sa.cast(cut, sa.BigInteger)
