"""
Usage statistics: counts and durations from usage records, by day, app or client.

Owns the queries. The database does the counting; it returns one row for each group, mood and second of
duration, so that medians are exact to the second however many records there are.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import sqlalchemy as sa
from sqlalchemy import Column, ColumnElement, Connection, Row, Table

from rendezvous.protocol.moods import Mood
from rendezvous.rules import schema
from transit_relay.observer import RelayMood
from wormhole_server.database.schema import relay_usage
from wormhole_server.metrics.history import DAY, Tally

# A day since the epoch; an app id; or the name and version of a client.
GroupKey = tuple[Any, ...]

_MOODS = {mood.value: mood for mood in Mood}


class Grouping(enum.Enum):
    """What a line of a report is about."""

    DAY = "day"  # a day of UTC, from 0 for that of the epoch
    APP = "app"  # an app id; the relay knows none, and is left out
    CLIENT = "client"  # a program and its version, as clients name them when they bind


# The columns of a key.
KEY_COLUMNS: Mapping[Grouping, Sequence[str]] = {
    Grouping.DAY: ("day",),
    Grouping.APP: ("app",),
    Grouping.CLIENT: ("implementation", "version"),
}


@attrs.define
class UsageStatistics:
    """
    The statistics of one group.

    :ivar nameplates: nameplates that ended.
    :ivar moods: mailboxes that ended, by mood.
    :ivar seconds: happy mailboxes, by whole seconds from the first side's claim to the end.
    :ivar clients: connections that named their program.
    :ivar relay_connections: relay connections that ended.
    :ivar relay_pairs: pairs among them.
    :ivar relay_bytes: bytes relayed, both directions together.
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
        """How many mailboxes ended."""
        return self.moods.total()

    def quantile(self, share: float) -> int | None:
        """Return the whole seconds within which this share of happy mailboxes ended; None without any."""
        rank = share * self.seconds.total()
        passed = 0
        for second in sorted(self.seconds):
            passed += self.seconds[second]
            if passed >= rank:
                return second
        return None

    def add(self, other: UsageStatistics) -> None:
        """Add another group to this one."""
        self.nameplates += other.nameplates
        self.moods += other.moods
        self.seconds += other.seconds
        self.clients += other.clients
        self.relay_connections += other.relay_connections
        self.relay_pairs += other.relay_pairs
        self.relay_bytes += other.relay_bytes


def read_statistics(
    connection: Connection, grouping: Grouping, since: float
) -> Mapping[GroupKey, UsageStatistics]:
    """
    Count the records that began at a moment or later.

    :param since: seconds since the epoch.
    """
    groups: dict[GroupKey, UsageStatistics] = {}

    def group(row: Row[Any]) -> UsageStatistics:
        key = tuple(getattr(row, name) for name in KEY_COLUMNS[grouping])
        return groups.setdefault(key, UsageStatistics())

    for row in _count(connection, schema.client_usage, grouping, since):
        group(row).clients += row.records
    if grouping is Grouping.CLIENT:
        return groups
    for row in _count(connection, schema.nameplate_usage, grouping, since):
        group(row).nameplates += row.records
    mailboxes = schema.mailbox_usage.c
    second = _floor(connection, mailboxes.total_seconds).label("second")
    for row in _count(connection, schema.mailbox_usage, grouping, since, mailboxes.mood, second):
        statistics = group(row)
        statistics.moods[_MOODS[row.mood]] += row.records
        if row.mood == Mood.HAPPY.value:
            statistics.seconds[row.second] += row.records
    if grouping is Grouping.DAY:
        for row in _count_relay(connection, since):
            statistics = group(row)
            statistics.relay_connections += row.records
            statistics.relay_pairs += row.records if row.is_pair else 0
            statistics.relay_bytes += int(row.relayed)
    return groups


def read_daily_tallies(connection: Connection, first_day: int) -> dict[int, Tally]:
    """
    Count the exchanges and relay sessions of each day, for the status page.

    :param first_day: the first day to look at, counted from the epoch, in UTC.
    """
    since = float(first_day * DAY)
    days: dict[int, Tally] = {}

    def add(day: int, tally: Tally) -> None:
        days[day] = days.get(day, Tally()) + tally

    table = schema.mailbox_usage
    for row in _count(connection, table, Grouping.DAY, since, table.c.mood):
        if row.mood in _MOODS:
            add(row.day, Tally({_MOODS[row.mood]: row.records}))
    for row in _count_relay(connection, since):
        add(row.day, Tally({}, row.records if row.is_pair else 0, int(row.relayed)))
    return days


def _count_relay(connection: Connection, since: float) -> Sequence[Row[Any]]:
    """Count relay connections, and sum up their bytes, by day and by whether they stand for a pair."""
    columns = relay_usage.c
    # Of the two connections of a pair exactly one is not jilted.
    is_pair = columns.waiting_seconds.is_not(None) & (columns.mood != RelayMood.JILTED.value)
    return _count(
        connection,
        relay_usage,
        Grouping.DAY,
        since,
        is_pair.label("is_pair"),
        total=sa.func.sum(columns.bytes).label("relayed"),
    )


def _count(
    connection: Connection,
    table: Table,
    grouping: Grouping,
    since: float,
    *more: ColumnElement[Any] | Column[Any],
    total: ColumnElement[Any] | None = None,
) -> Sequence[Row[Any]]:
    """
    Count the records of a table as `records`, by the columns of the key and those of `more`.

    :param total: a sum to return as well.
    """
    keys: list[ColumnElement[Any]]
    if grouping is Grouping.DAY:
        keys = [_floor(connection, table.c.started / DAY).label("day")]
    else:
        keys = [table.c[name] for name in KEY_COLUMNS[grouping]]
    groups = [*keys, *more]
    columns = [*groups, *([] if total is None else [total]), sa.func.count().label("records")]
    # By position: PostgreSQL does not see that two parameters are the same.
    positions: list[ColumnElement[Any]] = [
        sa.literal_column(str(number + 1)) for number in range(len(groups))
    ]
    statement = sa.select(*columns).where(table.c.started >= since).group_by(*positions)
    return connection.execute(statement).all()


def _floor(connection: Connection, value: ColumnElement[Any]) -> ColumnElement[Any]:
    # A cast cuts the fraction off on SQLite, which need not have floor(); on PostgreSQL it rounds.
    cut = value if connection.dialect.name == "sqlite" else sa.func.floor(value)
    return sa.cast(cut, sa.BigInteger)
