"""Tests of `rendezvous.sweeper` and `rendezvous.rules.expiry`, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

from typing import Any

import attrs
from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs, formatEvent

from rendezvous.errors import LedgerUnavailable
from rendezvous.ledger.keys import mailbox_key
from rendezvous.ledger.ledger import Ledger
from rendezvous.ledger.transaction import Transaction
from rendezvous.protocol.moods import Mood, Retired
from rendezvous.rules import expiry, mailboxes, messages, nameplates, retirement, schema
from rendezvous.rules.sql.nameplates import Nameplate
from rendezvous.rules.usage import Usage
from rendezvous.sharing.disk import DiskReserve, DiskSpace
from rendezvous.subscriptions import Subscriptions
from rendezvous.sweeper import DatabaseTime, ForgetUsage, GiveBack, Sweeper
from tests.rendezvous.fakes import HeldRunner, Recorder, StoreRunner
from tests.rendezvous.servers import LIFETIMES, LIMITS, USAGE, make_shares
from tests.rendezvous.stores import OnPostgres, OnSqlite, StoreCase
from tests.schedulers import make_scheduler

APP = "app"
HOUR, DAY = 3600.0, 86400.0
START = 1_000_000.0


class SweeperCase(StoreCase):
    """A case with a sweeper that has been started."""

    __test__ = False

    def setUp(self) -> None:
        """Start one."""
        super().setUp()
        self.lifetimes = LIFETIMES
        self.clock = Clock()
        self.clock.advance(START)
        self.observer = Recorder()
        self.runner = StoreRunner(self.store)
        self.subscriptions = Subscriptions()
        self.forgets: list[ForgetUsage] = []
        self.database_time: DatabaseTime | None = None
        self.shares = make_shares()
        self.give_back: GiveBack | None = None
        self.ledger = Ledger(make_scheduler(self.clock))
        self.ledger.open([self.runner])
        self.start_sweeper()

    def start_sweeper(self) -> None:
        """With the lifetimes of now."""
        self.sweeper = Sweeper(
            self.clock,
            self.clock.seconds,
            self.ledger,
            self.subscriptions,
            USAGE,
            self.lifetimes,
            self.observer,
            self.forgets,
            self.database_time,
            self.shares,
            self.give_back,
        )
        self.sweeper.startService()

    def claim(self, name: str, side: str = "a") -> None:
        """Have a nameplate claimed, now; its mailbox is called after it."""
        now = self.clock.seconds()
        self.store.run(lambda tx: nameplates.claim(tx, APP, side, name, lambda: f"box {name}", now))

    def open(self, mailbox: str, count: int = 0) -> None:
        """Have a mailbox opened, now, with so many messages."""
        now = self.clock.seconds()

        def operation(tx: Transaction) -> None:
            mailboxes.open_mailbox(tx, APP, "a", mailbox, now)
            for number in range(count):
                messages.add(tx, APP, "a", mailbox, str(number), "", "null", LIMITS.mailbox, now)

        self.store.run(operation)

    def arrive(self, mailbox: str) -> None:
        """Have a client connected that has to do with it."""
        self.subscriptions.arrive((APP, mailbox))

    def pass_time(self, seconds: float) -> None:
        """Let the sweeper have its turns over so long a time."""
        for _ in range(round(seconds / self.lifetimes.interval_seconds)):
            self.clock.advance(self.lifetimes.interval_seconds)
            while any(
                call.getTime() <= self.clock.seconds() for call in self.clock.getDelayedCalls()
            ):
                self.clock.advance(0)

    def names(self) -> list[str]:
        """The nameplates that are left."""
        return sorted(self.store.rows(schema.nameplates, "name"))

    def boxes(self) -> list[str]:
        """The mailboxes that are left."""
        return sorted(self.store.rows(schema.mailboxes, "mailbox"))

    def break_nameplate(self, name: str) -> None:
        """Let a nameplate be one that nobody can remove."""
        if self.store.engine.dialect.name == "sqlite":
            self.store.write("UPDATE nameplates SET created = 'x' WHERE name = :name", name=name)
            return
        self.store.write(
            "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
            " 'BEGIN RAISE EXCEPTION ''not this one''; END'"
        )
        self.store.write(
            "CREATE TRIGGER stay BEFORE DELETE ON nameplates FOR EACH ROW"
            f" WHEN (OLD.name = '{name}') EXECUTE FUNCTION refuse()"
        )
        self.addCleanup(self.store.write, "DROP TRIGGER stay ON nameplates")


class ExpiryRules(SweeperCase):
    """What goes and what stays."""

    def test_nameplate(self) -> None:
        """A nameplate that nobody uses goes after an hour; its mailbox stays for a day."""
        self.claim("7")
        self.pass_time(HOUR)
        self.assertEqual(self.names(), ["7"])
        self.pass_time(120)
        self.assertEqual((self.names(), self.boxes()), ([], ["box 7"]))
        self.assertEqual((self.observer.nameplates, self.observer.mailboxes), ([Mood.PRUNEY], []))
        # The rest of a day, without a minute's sweeps in between.
        self.clock.advance(DAY - HOUR - 300)
        self.pass_time(60)
        self.assertEqual(self.boxes(), ["box 7"])
        self.pass_time(240)
        self.assertEqual(self.boxes(), [])
        self.assertEqual(self.observer.mailboxes, [Mood.PRUNEY])

    def test_accounts(self) -> None:
        """What has expired, or was removed by another instance, counts for no address any more."""
        accounts = self.shares.accounts
        self.claim("7")
        self.claim("8")
        for name in "789":
            accounts.take_mailbox(1, 500, 0.0)
            accounts.keep_mailbox(1, (APP, f"box {name}"), name, 500)
        self.pass_time(60)
        self.assertEqual((accounts.nameplates(1), len(accounts)), (2, 2))
        self.pass_time(HOUR + 180)
        self.assertEqual((accounts.nameplates(1), len(accounts)), (0, 2))
        self.pass_time(DAY)
        self.assertEqual((accounts.stored(1), len(accounts)), (0, 0))

    def test_space(self) -> None:
        """Space is given back step by step after each sweep, all of it if the disk is nearly full."""
        told = []

        def give_back(_: Transaction, needed: bool) -> bool:
            told.append(needed)
            return len(told) < 3

        self.sweeper._give_back = give_back
        self.pass_time(60)
        self.assertEqual(told, [False] * 3)
        self.shares.disk = DiskReserve(lambda: DiskSpace(100, 0), 10)
        self.pass_time(60)
        self.assertEqual(told[3:], [True])

    def test_mailbox_takes_its_nameplate_along(self) -> None:
        """A mailbox that expires takes its messages and a nameplate that still points to it along."""
        self.claim("7")
        self.open("box 7", count=3)
        self.store.write("UPDATE nameplates SET used = :now", now=START + 2 * DAY)
        self.pass_time(DAY + 120)
        self.assertEqual((self.names(), self.boxes()), ([], []))
        self.assertEqual(self.store.rows(schema.messages, "number"), [])
        self.assertEqual(self.observer.nameplates, [Mood.PRUNEY])

    def test_connected(self) -> None:
        """As long as a client is connected neither its mailbox nor its nameplate expires."""
        self.sweeper.stopService()
        self.lifetimes = attrs.evolve(LIFETIMES, interval_seconds=900.0)
        self.start_sweeper()
        self.claim("7")
        self.arrive("box 7")
        for _ in range(3):
            self.pass_time(DAY)
            self.assertEqual((self.names(), self.boxes()), (["7"], ["box 7"]))
        self.subscriptions.leave((APP, "box 7"))
        self.pass_time(HOUR + 1800)
        self.assertEqual((self.names(), self.boxes()), ([], ["box 7"]))
        self.pass_time(DAY)
        self.assertEqual(self.boxes(), [])

    def test_connected_elsewhere(self) -> None:
        """A mailbox that another instance touches does not expire here, nor does its nameplate."""
        self.claim("7")
        for _ in range(8):
            self.pass_time(HOUR / 2)
            now = self.clock.seconds()
            self.store.run(
                lambda tx, now=now: expiry.touch_mailboxes(tx, [(APP, "box 7")], now)  # type: ignore[misc]
            )
        self.assertEqual(self.names(), ["7"])

    def test_short_lifetimes(self) -> None:
        """However rarely instances are to sweep, nothing expires that a client of either of them uses."""
        self.sweeper.stopService()
        self.lifetimes = attrs.evolve(
            LIFETIMES, nameplate_seconds=30.0, mailbox_seconds=40.0, interval_seconds=60.0
        )
        for name in "78":
            self.subscriptions = Subscriptions()
            self.start_sweeper()
            self.claim(name)
            self.arrive(f"box {name}")
            self.clock.pump([1.0] * 5)
        self.clock.pump([1.0] * 300)
        self.assertEqual((self.names(), self.boxes()), (["7", "8"], ["box 7", "box 8"]))
        self.subscriptions.leave((APP, "box 8"))
        self.clock.pump([1.0] * 60)
        self.assertEqual((self.names(), self.boxes()), (["7"], ["box 7"]))

    def test_touch_has_keys(self) -> None:
        """A touch does not overlap with operations on the mailboxes that it touches."""
        runner = HeldRunner()
        self.ledger.open([runner])
        for mailbox in ("one", "two"):
            self.arrive(mailbox)
        self.pass_time(60)
        ((jobs, _),) = runner.batches
        keys = [mailbox_key(APP, mailbox) for mailbox in ("one", "two")]
        self.assertEqual([job.keys for job in jobs], [keys])

    def test_touch_never_goes_back(self) -> None:
        """An instance whose clock is behind does not make a mailbox older."""
        self.open("box")
        self.store.run(lambda tx: expiry.touch_mailboxes(tx, [(APP, "box")], START - 500))
        self.assertEqual(self.store.rows(schema.mailboxes, "used"), [START])

    def test_in_use_since_it_was_found(self) -> None:
        """What was used between being found and being removed stays."""
        self.claim("7")
        self.open("box")
        for table, expire in (
            (schema.nameplates, expiry.expire_nameplate),
            (schema.mailboxes, expiry.expire_mailbox),
        ):
            for row_id in [*self.store.rows(table, "id"), 999_999]:
                outcome: Any = self.store.run(
                    lambda tx, expire=expire, row_id=row_id: expire(  # type: ignore[misc]
                        tx, row_id, START - 1, lambda _: False, USAGE, START
                    )
                )
                self.assertEqual(outcome, Retired())
        self.assertEqual((self.names(), self.boxes()), (["7"], ["box", "box 7"]))

    def test_many(self) -> None:
        """However many are due, all go in one sweep, in steps of bounded size, and the rest stay."""
        total = 2 * expiry.STEP_ROWS + 7
        for number in range(total):
            self.open(f"box {number}")
        self.clock.advance(1)
        for number in range(expiry.STEP_ROWS):
            self.open(f"connected {number}")
            self.arrive(f"connected {number}")
        self.store.write("UPDATE mailboxes SET used = used - :days", days=2 * DAY)
        self.observer.batches.clear()
        self.pass_time(60)
        self.assertEqual(len(self.boxes()), expiry.STEP_ROWS)
        self.assertEqual(len(self.observer.mailboxes), total)

    def test_large_mailbox(self) -> None:
        """The messages of a large mailbox are removed in steps after it has gone."""
        total = 2 * expiry.STEP_MESSAGES + 1
        self.open("box", count=total)
        self.open("other", count=1)
        self.arrive("other")
        steps: list[int] = []
        empty = expiry.empty_discarded

        def counted(tx: Transaction) -> bool:
            more = empty(tx)
            steps.append(more)
            return more

        self.patch(expiry, "empty_discarded", counted)
        self.store.write("UPDATE mailboxes SET used = 0 WHERE mailbox = 'box'")
        self.pass_time(60)
        self.assertEqual(self.store.rows(schema.messages, "number"), [1])
        self.assertEqual(self.store.rows(schema.discarded_mailboxes), [])
        self.assertGreater(sum(steps), 2)

    def test_other_lifetimes(self) -> None:
        """What is too old by new lifetimes goes with the next sweep; what was too old may be so no more."""
        self.claim("7")
        self.pass_time(HOUR / 2)
        self.change_lifetimes(nameplate_seconds=HOUR / 4)
        self.pass_time(60)
        self.assertEqual(self.names(), [])
        self.claim("8")
        self.change_lifetimes(nameplate_seconds=DAY)
        self.pass_time(2 * HOUR)
        self.assertEqual(self.names(), ["8"])

    def test_another_interval(self) -> None:
        """A shorter interval does not wait for the longer one to be over; the same one is not begun anew."""
        self.change_lifetimes(interval_seconds=HOUR / 4)
        self.open("box")
        self.arrive("box")
        self.change_lifetimes(interval_seconds=10.0)
        self.clock.advance(6.0)
        self.change_lifetimes(interval_seconds=10.0)
        self.clock.advance(4.0)
        self.clock.pump([0.0] * 10)
        self.assertEqual(self.store.rows(schema.mailboxes, "used"), [START + 10])

    def test_other_usage(self) -> None:
        """Usage records are blurred from the moment on that they are to be."""
        self.claim("7")
        self.sweeper.change(self.lifetimes, Usage(1_000_000.0))
        self.pass_time(HOUR + 120)
        self.assertEqual(self.store.rows(schema.nameplate_usage, "total_seconds"), [0.0])

    def test_shorter_interval_and_a_jump(self) -> None:
        """A jump of the clock right after the interval was shortened is noticed like any other."""
        self.claim("7")
        self.change_lifetimes(interval_seconds=HOUR / 4)
        self.pass_time(3 * HOUR / 4)
        self.change_lifetimes(interval_seconds=60.0)
        self.clock.advance(HOUR / 4 + 30)
        self.clock.pump([0.0] * 20)
        self.assertEqual(self.names(), ["7"])

    def change_lifetimes(self, **seconds: float) -> None:
        """Let the sweeper go on with others."""
        self.lifetimes = attrs.evolve(self.lifetimes, **seconds)
        self.sweeper.change(self.lifetimes, USAGE)

    def test_usage_records(self) -> None:
        """Usage records of 90 days are forgotten, with those of other parts; younger ones stay."""
        usage = USAGE
        for age in (91 * DAY, 89 * DAY):
            then = START - age
            self.store.run(
                lambda tx, then=then: usage.client_bound(tx, APP, "python", "1", then)  # type: ignore[misc]
            )
            self.store.run(
                lambda tx, then=then: usage.nameplate_retired(  # type: ignore[misc]
                    tx, APP, Mood.HAPPY, then, None, then
                )
            )
        cutoffs: list[float] = []
        left = [True, True, False]

        def forget(_: Transaction, cutoff: float) -> bool:
            cutoffs.append(cutoff)
            return left.pop(0)

        self.forgets.append(forget)
        self.pass_time(60)
        self.assertEqual(self.store.rows(schema.client_usage, "started"), [START - 89 * DAY])
        self.assertEqual(self.store.rows(schema.nameplate_usage, "started"), [START - 89 * DAY])
        self.assertEqual(cutoffs, [START + 60 - 90 * DAY] * 3)


class NothingStopsItRules(SweeperCase):
    """Faults."""

    def test_bad_row(self) -> None:
        """A row that cannot be removed is passed over, logged once, and keeps no other from going."""
        for name in ("1", "2", "3"):
            self.claim(name)
        self.break_nameplate("2")
        self.pass_time(HOUR + 120)
        self.assertEqual(self.names(), ["2"])
        self.pass_time(HOUR)
        self.assertEqual(len(self.flushLoggedErrors()), 1)
        self.assertEqual(self.observer.counts["expiry_failed"], 1)
        self.claim("4")
        self.pass_time(HOUR + 120)
        self.assertEqual(self.names(), ["2"])

    def test_many_bad_rows(self) -> None:
        """More bad rows than a step takes do not keep those behind them."""
        self.patch(expiry, "STEP_ROWS", 3)
        bad = [f"{number:03}" for number in range(7)]
        for name in bad:
            self.claim(name)
        self.clock.advance(1)
        self.claim("7")
        real = retirement.retire_nameplate

        def retire(tx: Transaction, plate: Nameplate, *rest: Any) -> Mood:
            if plate.name in bad:
                raise ZeroDivisionError
            return real(tx, plate, *rest)

        self.patch(expiry, "retire_nameplate", retire)
        self.pass_time(HOUR + 120)
        self.assertEqual(self.names(), bad)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), len(bad))

    def test_database_away(self) -> None:
        """A database that is away delays expiry, is logged once, and the timer goes on."""
        self.claim("7")
        self.runner.failure, self.runner.failures = LedgerUnavailable(), 100
        self.pass_time(HOUR + 120)
        self.assertEqual(self.names(), ["7"])
        failed = self.observer.counts["expiry_failed"]
        self.assertEqual(failed, HOUR / 60 + 2)
        self.runner.failures = 0
        self.pass_time(60)
        # Clients of other instances have first to be touched again.
        self.assertEqual(self.names(), ["7"])
        self.pass_time(60)
        self.assertEqual(self.names(), [])
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_clock_jumps_ahead(self) -> None:
        """After a jump of the clock who is not connected has a turn's time to come back, once."""
        self.claim("7")
        self.clock.advance(2 * DAY)
        self.assertEqual((self.names(), self.boxes()), (["7"], ["box 7"]))
        self.arrive("box 7")
        self.pass_time(60)
        self.assertEqual((self.names(), self.boxes()), (["7"], ["box 7"]))
        self.claim("8")
        self.clock.advance(2 * DAY)
        self.pass_time(60)
        self.assertEqual((self.names(), self.boxes()), (["7"], ["box 7"]))

    def test_clocks_disagree(self) -> None:
        """While this clock and the database's disagree nothing expires here; the log says so once."""
        self.sweeper.stopService()
        behind = 2 * HOUR
        self.database_time = lambda _: self.clock.seconds() - behind
        self.start_sweeper()
        self.claim("7")
        with capturedLogs() as events:
            self.pass_time(HOUR + 120)
        self.assertEqual(self.names(), ["7"])
        (told,) = [formatEvent(event) for event in events if event["log_level"] is LogLevel.error]
        self.assertIn("7200 s ahead of the database's", told)
        behind = 0.0
        self.pass_time(60)
        self.assertEqual(self.names(), [])

    def test_clocks_disagree_by_much_of_a_lifetime(self) -> None:
        """Short lifetimes need clocks that agree better."""
        self.sweeper.stopService()
        behind = 9.0
        self.database_time = lambda _: self.clock.seconds() - behind
        self.lifetimes = attrs.evolve(LIFETIMES, nameplate_seconds=32.0)
        self.start_sweeper()
        self.claim("7")
        with capturedLogs():
            self.clock.pump([1.0] * 100)
        self.assertEqual(self.names(), ["7"])
        behind = 7.0
        self.clock.pump([1.0] * 10)
        self.assertEqual(self.names(), [])

    def test_step_that_fails(self) -> None:
        """A step that nobody foresaw to fail is logged once, until a sweep has gone well again."""
        self.runner.failure, self.runner.failures = ZeroDivisionError(), 5
        self.pass_time(5 * 60)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.pass_time(60)
        self.runner.failures = 5
        self.pass_time(5 * 60)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_one_sweep_at_a_time(self) -> None:
        """A sweep that the database holds up is not overtaken by the next."""
        self.runner.held = True
        self.pass_time(HOUR)
        self.assertEqual(len(self.clock.getDelayedCalls()), 0)
        self.runner.let_go()
        self.pass_time(60)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)

    def test_stop(self) -> None:
        """After the stop no timer is left, also where a sweep was under way; and nothing is logged."""
        self.runner.held = True
        self.pass_time(60)
        self.sweeper.stopService()
        self.runner.let_go()
        self.pass_time(0)
        for _ in range(10):
            self.clock.advance(0)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.sweeper.startService()
        self.sweeper.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_nothing_is_kept(self) -> None:
        """After a sweep nothing of what has expired is left in memory."""
        for number in range(20):
            self.claim(str(number))
        self.pass_time(DAY + 120)
        self.assertEqual((self.names(), self.boxes()), ([], []))
        self.assertEqual(self.sweeper._bad, set())
        self.assertIsNone(self.sweeper._under_way)


class ExpiryOnSqlite(OnSqlite, ExpiryRules):
    """On SQLite."""


class ExpiryOnPostgres(OnPostgres, ExpiryRules):
    """On PostgreSQL."""


class NothingStopsItOnSqlite(OnSqlite, NothingStopsItRules):
    """On SQLite."""


class NothingStopsItOnPostgres(OnPostgres, NothingStopsItRules):
    """On PostgreSQL."""
