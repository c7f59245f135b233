"""Tests of `rendezvous.usage`, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

from rendezvous.protocol.moods import Mood
from rendezvous.rules import schema
from rendezvous.rules.usage import Usage
from tests.rendezvous.servers import USAGE
from tests.rendezvous.stores import OnPostgres, OnSqlite, StoreCase

COURSE = ("app", "started", "waiting_seconds", "total_seconds", "mood")


class UsageRules(StoreCase):
    """What is kept for statistics."""

    __test__ = False

    def write(self, usage: Usage, came: float | None = 1090.0, now: float = 1307.0) -> None:
        """One record of each kind."""
        self.store.run(lambda tx: usage.nameplate_retired(tx, "app", Mood.HAPPY, 1030.0, came, now))
        self.store.run(
            lambda tx: usage.mailbox_retired(
                tx, "app", Mood.SCARY, 1030.0, came, now, nameplate=True
            )
        )
        self.store.run(lambda tx: usage.client_bound(tx, "app", "python", "1.0", now))

    def test_exact(self) -> None:
        """Without blur the times are what they are."""
        self.write(USAGE)
        self.assertEqual(
            self.store.rows(schema.nameplate_usage, *COURSE),
            [("app", 1030.0, 60.0, 277.0, "happy")],
        )
        self.assertEqual(
            self.store.rows(schema.mailbox_usage, *COURSE, "nameplate"),
            [("app", 1030.0, 60.0, 277.0, "scary", True)],
        )
        self.assertEqual(
            self.store.rows(schema.client_usage, "app", "started", "implementation", "version"),
            [("app", 1307.0, "python", "1.0")],
        )

    def test_blurred(self) -> None:
        """With blur every time is rounded down to a multiple of it, before it is written."""
        self.write(Usage(blur_seconds=100.0))
        self.assertEqual(
            self.store.rows(schema.nameplate_usage, *COURSE),
            [("app", 1000.0, 0.0, 200.0, "happy")],
        )
        self.assertEqual(
            self.store.rows(schema.mailbox_usage, *COURSE),
            [("app", 1000.0, 0.0, 200.0, "scary")],
        )
        self.assertEqual(self.store.rows(schema.client_usage, "started"), [1300.0])

    def test_nobody_came(self) -> None:
        """Without a second side there is no waiting time, blurred or not."""
        for usage in (USAGE, Usage(blur_seconds=100.0)):
            self.write(usage, came=None)
        self.assertEqual(self.store.rows(schema.nameplate_usage, "waiting_seconds"), [None, None])

    def test_clock_that_went_back(self) -> None:
        """No time is negative, even where the clock was set back in between."""
        self.write(USAGE, came=1020.0, now=1010.0)
        self.assertEqual(
            self.store.rows(schema.nameplate_usage, "waiting_seconds", "total_seconds"),
            [(0.0, 0.0)],
        )

    def test_zero_is_no_blur(self) -> None:
        """A blur of 0 leaves times as they are."""
        self.write(Usage(blur_seconds=0.0))
        self.assertEqual(self.store.rows(schema.client_usage, "started"), [1307.0])


class UsageOnSqlite(OnSqlite, UsageRules):
    """On SQLite."""


class UsageOnPostgres(OnPostgres, UsageRules):
    """On PostgreSQL."""
