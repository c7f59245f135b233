"""Tests of `wormhole_server.usage.report.statistics`, on both databases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import URL

from rendezvous.database import open_engine
from rendezvous.protocol.moods import Mood
from rendezvous.rules import schema
from tests.rendezvous.stores import OnPostgres, OnSqlite, StoreCase
from tests.wormhole_server.databases import DatabaseCase, fill
from wormhole_server.database.access import open_current_snapshot
from wormhole_server.database.schema import relay_usage
from wormhole_server.metrics.history import DAY, Tally
from wormhole_server.usage.report.statistics import (
    Grouping,
    UsageStatistics,
    read_daily_tallies,
    read_statistics,
)

TODAY = 20_000


@pytest.mark.processes
class StatisticsTests(DatabaseCase):
    def statistics(
        self, url: URL, grouping: Grouping, since: float = 0.0
    ) -> Mapping[Any, UsageStatistics]:
        """Read the statistics of a database."""
        with open_current_snapshot(url) as connection:
            return read_statistics(connection, grouping, since)

    def add(self, url: URL) -> None:
        """Add records on the first and second day of the epoch."""
        fill(url)
        engine = open_engine(url)
        with engine.begin() as connection:
            for app, started, total, mood in (
                ("app", DAY - 0.5, 10.9, "happy"),
                ("app", DAY, 20.5, "happy"),
                ("other", DAY + 1, 30.0, "happy"),
                ("other", DAY + 2, 86400.0, "pruney"),
            ):
                connection.exec_driver_sql(
                    "INSERT INTO mailbox_usage (app, started, waiting_seconds, total_seconds, mood, "
                    f"nameplate) VALUES ('{app}', {started}, NULL, {total}, '{mood}', true)"
                )
            for waiting, mood, size in (
                ("2.0", "jilted", 5),
                ("2.0", "happy", 7),
                ("NULL", "lonely", 0),
            ):
                connection.exec_driver_sql(
                    'INSERT INTO relay_usage ("end", started, waiting_seconds, total_seconds, mood, '
                    f"bytes) VALUES ('tcp', {DAY}, {waiting}, 1.0, '{mood}', {size})"
                )
            for version in ("0.24.0", "0.23.0"):
                connection.exec_driver_sql(
                    "INSERT INTO client_usage (app, started, implementation, version) "
                    f"VALUES ('other', {DAY}, 'python', '{version}')"
                )
        engine.dispose()

    def test_by_day(self) -> None:
        """A day is one of UTC; a pair of the relay is counted once, its bytes of both ways."""
        for url in (self.sqlite(), self.postgres()):
            self.add(url)
            found = self.statistics(url, Grouping.DAY)
            self.assertEqual(set(found), {(0,), (1,)})
            first, second = found[(0,)], found[(1,)]
            self.assertEqual((first.nameplates, first.mailboxes, first.clients), (1, 2, 1))
            self.assertEqual(second.moods, {Mood.HAPPY: 2, Mood.PRUNEY: 1})
            self.assertEqual(
                (second.relay_connections, second.relay_pairs, second.relay_bytes), (3, 1, 12)
            )
            self.assertEqual((second.quantile(0.5), second.quantile(0.9)), (20, 30))
            self.assertEqual((first.relay_pairs, first.relay_bytes), (1, 9_000_000_000))

    def test_by_app(self) -> None:
        """Apps have mailboxes and clients; the relay knows no apps."""
        for url in (self.sqlite(), self.postgres()):
            self.add(url)
            found = self.statistics(url, Grouping.APP)
            self.assertEqual(set(found), {("app",), ("other",)})
            self.assertEqual(found["app",].moods, {Mood.HAPPY: 3})
            self.assertEqual(found["other",].clients, 2)
            self.assertEqual(found["other",].relay_connections, 0)

    def test_by_client(self) -> None:
        """Each version of each program."""
        for url in (self.sqlite(), self.postgres()):
            self.add(url)
            found = self.statistics(url, Grouping.CLIENT)
            self.assertEqual(
                {key: each.clients for key, each in found.items()},
                {("python", "0.24.0"): 2, ("python", "0.23.0"): 1},
            )

    def test_since(self) -> None:
        """What began before is left out."""
        self.add(self.sqlite())
        self.assertEqual(set(self.statistics(self.sqlite(), Grouping.DAY, DAY)), {(1,)})

    def test_nothing_happy(self) -> None:
        """Without a happy mailbox there is no duration."""
        self.assertIsNone(UsageStatistics().quantile(0.5))


class DailyTallyTests(StoreCase):
    __test__ = False

    def tallies(self, first_day: int) -> dict[int, Tally]:
        """Read the tallies of a day, and of all days after it."""
        with self.store.engine.connect() as connection:
            return read_daily_tallies(connection, first_day)

    def exchange(self, started: float, mood: str) -> None:
        """Add the record of a mailbox."""
        with self.store.engine.begin() as connection:
            row = {"app": "a", "started": started, "total_seconds": 1.0, "mood": mood}
            connection.execute(sa.insert(schema.mailbox_usage).values(**row, nameplate=True))

    def relayed(self, started: float, mood: str, waiting: float | None, byte_count: int) -> None:
        """Add the record of a relay connection."""
        with self.store.engine.begin() as connection:
            row = {"end": "tcp", "started": started, "total_seconds": 1.0, "mood": mood}
            connection.execute(
                sa.insert(relay_usage).values(**row, waiting_seconds=waiting, bytes=byte_count)
            )

    def test_nothing(self) -> None:
        """Without records there are no days."""
        self.assertEqual(self.tallies(0), {})

    def test_days(self) -> None:
        """Exchanges count by the day on which they began, and by outcome."""
        for started, mood in (
            (TODAY * DAY, "happy"),
            (TODAY * DAY + DAY - 1.0, "happy"),
            (TODAY * DAY + 5.5, "scary"),
            (TODAY * DAY - 1.0, "lonely"),
            (TODAY * DAY + DAY + 1.0, "happy"),
            # A mood of a later version.
            (TODAY * DAY + 1.0, "strange"),
        ):
            self.exchange(started, mood)
        found = self.tallies(TODAY)
        self.assertEqual(set(found), {TODAY, TODAY + 1})
        self.assertEqual(found[TODAY].outcomes[Mood.HAPPY], 2)
        self.assertEqual(found[TODAY].outcomes[Mood.SCARY], 1)
        self.assertEqual(found[TODAY].exchanges, 3)

    def test_relay(self) -> None:
        """A pair counts once, and the bytes of all connections."""
        big = 1 << 45
        for mood, waiting, byte_count in (
            ("happy", 0.0, big),
            ("jilted", 3.0, 1),
            ("errory", 1.0, 2),
            ("jilted", 0.0, 4),
            ("lonely", None, 0),
            ("redundant", None, 0),
        ):
            self.relayed(TODAY * DAY + 1.0, mood, waiting, byte_count)
        (tally,) = self.tallies(TODAY).values()
        self.assertEqual((tally.sessions, tally.relayed), (2, big + 7))


class SqliteDailyTallyTests(OnSqlite, DailyTallyTests):
    """On SQLite."""

    __test__ = True


class PostgresDailyTallyTests(OnPostgres, DailyTallyTests):
    """On PostgreSQL."""

    __test__ = True
