"""Tests of `rendezvous.rules.expiry`, step by step; what a whole sweep does is tested with the sweeper."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import sqlalchemy as sa

from rendezvous.ledger.keys import mailbox_key, nameplate_key
from rendezvous.ledger.statements import Parameters, Statement, prepare
from rendezvous.ledger.transaction import Transaction
from rendezvous.protocol.moods import Mood, Retired
from rendezvous.rules import expiry, schema
from rendezvous.rules.expiry import Stale, SweepPosition
from rendezvous.rules.sql.messages import MAX_DELETE_MESSAGES
from tests.rendezvous.exchanges import APP, OTHER_APP, A, RulesCase
from tests.rendezvous.servers import USAGE
from tests.rendezvous.stores import ContendedTransaction, OnPostgres, OnSqlite


class ExpiryStepRules(RulesCase):
    """The steps of expiry."""

    __test__ = False

    def setUp(self) -> None:
        """Have nobody connected."""
        super().setUp()
        self.present: set[tuple[str, str]] = set()

    def expire_nameplate(self, row_id: int, cutoff: float) -> Retired:
        """Expire a nameplate."""
        return self.store.run(
            lambda tx: expiry.expire_nameplate(
                tx, row_id, cutoff, self.present.__contains__, USAGE, self.now
            )
        )

    def expire_mailbox(self, row_id: int, cutoff: float) -> Retired:
        """Expire a mailbox."""
        return self.store.run(
            lambda tx: expiry.expire_mailbox(
                tx, row_id, cutoff, self.present.__contains__, USAGE, self.now
            )
        )

    def test_found(self) -> None:
        """What was last used before the cutoff is found, the oldest first, from a place on."""
        for seconds, name in ((2.0, "7"), (0.0, "8"), (1.0, "9"), (1.0, "10")):
            self.now = 1000.0 + seconds
            self.claim(A, name)
        for table, find in (
            (schema.nameplates, expiry.stale_nameplates),
            (schema.mailboxes, expiry.stale_mailboxes),
        ):
            rows = sorted((used, row_id) for row_id, used in self.store.rows(table, "id", "used"))
            stale = [Stale(row_id, used) for used, row_id in rows]
            for cutoff, count in ((1000.0, 0), (1000.5, 1), (1001.0, 1), (1002.0, 3), (1003.0, 4)):
                found = self.store.run(
                    lambda tx, find=find, cutoff=cutoff: find(tx, cutoff, SweepPosition())  # type: ignore[misc]
                )
                self.assertEqual(found, stale[:count])
            second = SweepPosition(*rows[1])
            rest = self.store.run(lambda tx, find=find, place=second: find(tx, 1003.0, place))  # type: ignore[misc]
            self.assertEqual(rest, stale[2:])

    def test_found_in_steps(self) -> None:
        """A step finds a bounded number of rows."""
        for number in range(expiry.STEP_ROWS + 1):
            self.claim(A, str(number))
        for find in (expiry.stale_nameplates, expiry.stale_mailboxes):
            found = self.store.run(lambda tx, find=find: find(tx, 2000.0, SweepPosition()))  # type: ignore[misc]
            self.assertEqual(len(found), expiry.STEP_ROWS)

    def test_nameplate(self) -> None:
        """A nameplate goes when neither it nor its mailbox was used since the cutoff; the mailbox stays."""
        self.claim(A)
        (row_id,) = self.store.rows(schema.nameplates, "id")
        self.assertEqual(self.expire_nameplate(row_id, 1000.0), Retired())
        self.assertEqual(self.expire_nameplate(row_id, 1000.1), Retired(nameplate=Mood.PRUNEY))
        self.assertEqual(self.expire_nameplate(row_id, 1000.1), Retired())
        self.assertEqual(self.store.rows(schema.nameplates), [])
        self.assertEqual(len(self.store.rows(schema.mailboxes)), 1)

    def test_nameplate_of_a_mailbox_in_use(self) -> None:
        """A nameplate whose mailbox is in use is, too: it is dated with that use."""
        self.claim(A)
        (row_id,) = self.store.rows(schema.nameplates, "id")
        self.now = 1500.0
        self.open(A, "box1")
        self.now = 2000.0
        self.assertEqual(self.expire_nameplate(row_id, 1500.0), Retired())
        self.assertEqual(self.store.rows(schema.nameplates, "used"), [1500.0])
        self.present.add((APP, "box1"))
        self.assertEqual(self.expire_nameplate(row_id, 1600.0), Retired())
        self.assertEqual(self.store.rows(schema.nameplates, "used"), [2000.0])
        self.present.clear()
        self.assertEqual(self.expire_nameplate(row_id, 2001.0), Retired(nameplate=Mood.PRUNEY))

    def test_nameplate_without_a_mailbox(self) -> None:
        """A nameplate whose mailbox is gone goes by its own last use."""
        self.claim(A)
        (row_id,) = self.store.rows(schema.nameplates, "id")
        self.store.write("DELETE FROM mailboxes")
        self.assertEqual(self.expire_nameplate(row_id, 1000.1), Retired(nameplate=Mood.PRUNEY))

    def test_mailbox(self) -> None:
        """A mailbox goes when it was not used since the cutoff, with its messages and its nameplate."""
        self.claim(A)
        self.add(A, mailbox="box1")
        (row_id,) = self.store.rows(schema.mailboxes, "id")
        self.assertEqual(self.expire_mailbox(row_id, 1000.0), Retired())
        self.present.add((APP, "box1"))
        self.now = 1500.0
        self.assertEqual(self.expire_mailbox(row_id, 1000.1), Retired())
        self.assertEqual(self.store.rows(schema.mailboxes, "used"), [1500.0])
        self.present.clear()
        self.assertEqual(self.expire_mailbox(row_id, 1500.1), Retired(Mood.PRUNEY, Mood.PRUNEY))
        self.assertEqual(self.expire_mailbox(row_id, 1500.1), Retired())
        self.nothing_left()

    def test_takes_turns(self) -> None:
        """What expires takes turns with the operations on it: a nameplate with those on its mailbox, too."""
        self.claim(A)
        (plate,) = self.store.rows(schema.nameplates, "id")
        (box,) = self.store.rows(schema.mailboxes, "id")
        keys = (nameplate_key(APP, "7"), mailbox_key(APP, "box1"))
        for key, expire, row_id in (
            (keys[0], expiry.expire_nameplate, plate),
            (keys[1], expiry.expire_nameplate, plate),
            (keys[1], expiry.expire_mailbox, box),
        ):
            self.needs(
                key,
                lambda tx, expire=expire, row_id=row_id: expire(  # type: ignore[misc]
                    tx, row_id, 2000.0, self.present.__contains__, USAGE, self.now
                ),
            )

    def test_nameplate_in_use(self) -> None:
        """A nameplate that was claimed again stays, even if nothing was done with its mailbox since."""
        self.claim(A)
        (row_id,) = self.store.rows(schema.nameplates, "id")
        self.now = 1500.0
        self.claim(A)
        self.assertEqual(self.store.rows(schema.mailboxes, "used"), [1000.0])
        for cutoff in (1200.0, 1500.0):
            self.assertEqual(self.expire_nameplate(row_id, cutoff), Retired())
        self.assertEqual(self.store.rows(schema.nameplates, "used"), [1500.0])

    def test_changed_while_it_waited(self) -> None:
        """What another transaction has removed or used before the key was free is left as it is."""
        for change in ("DELETE FROM {}", "UPDATE {} SET used = 3000.0"):
            for table, expire in (
                ("nameplates", expiry.expire_nameplate),
                ("mailboxes", expiry.expire_mailbox),
            ):
                self.store.clear()
                self.claim(A)
                (row_id,) = self.store.rows(schema.metadata.tables[table], "id")
                statement = prepare(sa.text(change.format(table)))

                def operation(
                    tx: Transaction,
                    row_id: int = row_id,
                    statement: Statement = statement,
                    expire: Callable[..., Retired] = expire,
                ) -> Retired:
                    def is_held(_: str) -> bool:
                        tx.run(statement)
                        return False

                    contended = ContendedTransaction(tx, is_held)
                    return expire(contended, row_id, 2000.0, lambda _: False, USAGE, self.now)

                self.assertEqual(self.store.run(operation), Retired())

    def test_touch(self) -> None:
        """Mailboxes that are in use are dated so, never back, and no others."""
        for app in (APP, OTHER_APP):
            self.open(A, "box", app)
        addresses = [(APP, "box"), (APP, "unknown")]
        for now, used in ((1500.0, 1500.0), (1200.0, 1500.0)):
            self.store.run(lambda tx, now=now: expiry.touch_mailboxes(tx, addresses, now))  # type: ignore[misc]
            self.assertEqual(
                set(self.store.rows(schema.mailboxes, "app", "used")),
                {(APP, used), (OTHER_APP, 1000.0)},
            )

    def test_touched_in_one_order(self) -> None:
        """Mailboxes are touched in the same order by all instances, so that none can block another."""
        written: list[tuple[str, str]] = []

        class Noting(Transaction):
            def many(self, statement: Statement, rows: Iterable[Parameters]) -> None:
                rows = list(rows)
                written.extend((row["the_app"], row["the_mailbox"]) for row in rows)
                super().many(statement, rows)

        def touch(tx: Transaction) -> None:
            noting = Noting(tx._cursor, tx._dialect)
            expiry.touch_mailboxes(noting, [(APP, "b"), (OTHER_APP, "a"), (APP, "a")], self.now)

        self.store.run(touch)
        self.assertEqual(written, [(OTHER_APP, "a"), (APP, "a"), (APP, "b")])

    def test_large_mailbox(self) -> None:
        """What was left of a large mailbox is deleted in steps, until nothing is left."""
        self.open(A)
        total = MAX_DELETE_MESSAGES + expiry.STEP_MESSAGES + 1
        for number in range(total):
            self.add(A, str(number))
        self.close(A)
        steps = []
        for _ in range(9):
            more = self.store.run(expiry.empty_discarded)
            steps.append((more, len(self.store.rows(schema.messages, "number"))))
        self.assertEqual(steps[:4], [(True, 1), (True, 0), (True, 0), (False, 0)])
        self.nothing_left()

    def test_old_usage(self) -> None:
        """Usage records from before the cutoff are forgotten, and others stay."""
        for seconds in (0.0, 100.0):
            self.now = 1000.0 + seconds
            self.claim(A)
            self.release(A)
            self.close(A, f"box{1 + seconds / 100:.0f}")
            self.store.run(lambda tx: USAGE.client_bound(tx, APP, "python", "1", self.now))
        for more in (True, False):
            self.assertEqual(self.store.run(lambda tx: expiry.forget_usage(tx, 1100.0)), more)
        for table in (schema.nameplate_usage, schema.mailbox_usage, schema.client_usage):
            self.assertEqual(self.store.rows(table, "started"), [1100.0])

    def test_old_usage_in_steps(self) -> None:
        """A step forgets ten times as many usage records as it finds of other rows."""
        step = 10 * expiry.STEP_ROWS

        def bind(tx: Transaction) -> None:
            for _ in range(step + 1):
                USAGE.client_bound(tx, APP, "python", "1", self.now)

        self.store.run(bind)
        for more, left in ((True, 1), (True, 0), (False, 0)):
            self.assertEqual(self.store.run(lambda tx: expiry.forget_usage(tx, 2000.0)), more)
            self.assertEqual(len(self.store.rows(schema.client_usage)), left)


class ExpiryStepsOnSqlite(OnSqlite, ExpiryStepRules):
    """On SQLite."""


class ExpiryStepsOnPostgres(OnPostgres, ExpiryStepRules):
    """On PostgreSQL."""

    def test_time_of_the_database(self) -> None:
        """The time of day is PostgreSQL's, in seconds since the epoch, and goes on within a transaction."""

        def read(tx: Transaction) -> list[float]:
            return [expiry.database_time(tx) for _ in range(2)]

        (first, second) = self.store.run(read)
        # Later than this test was written.
        self.assertGreater(first, 1_700_000_000.0)
        self.assertGreater(second, first)
