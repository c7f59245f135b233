"""Tests of `rendezvous.rules.retirement`: docs/protocol.md, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

from rendezvous.ledger.keys import nameplate_key
from rendezvous.ledger.transaction import Transaction
from rendezvous.protocol.moods import Mood, Retired
from rendezvous.rules import mailboxes, schema
from rendezvous.rules.messages import Page
from rendezvous.rules.retirement import retire_mailbox
from rendezvous.rules.sql import messages as sql
from rendezvous.rules.sql.mailboxes import get_mailbox
from tests.rendezvous.exchanges import APP, OTHER_APP, A, B, C, D, RulesCase
from tests.rendezvous.servers import USAGE
from tests.rendezvous.stores import ContendedTransaction, OnPostgres, OnSqlite


class RetirementRules(RulesCase):
    """What is removed together, and what is recorded of it."""

    __test__ = False

    def test_large_mailbox_is_emptied_later(self) -> None:
        """A large mailbox goes at once; its messages stay for expiry, and show up nowhere."""
        self.open(A)
        (box,) = self.store.rows(schema.mailboxes, "id")
        total = sql.MAX_DELETE_MESSAGES + 10
        for number in range(total):
            self.add(A, str(number))
        self.assertEqual(self.close(A), Retired(Mood.LONELY))
        self.assertEqual(self.store.rows(schema.mailboxes), [])
        self.assertEqual(self.store.rows(schema.discarded_mailboxes, "mailbox_id"), [box])
        left = len(self.store.rows(schema.messages, "number"))
        self.assertGreaterEqual(left, total - sql.MAX_DELETE_MESSAGES)
        self.assertEqual(self.open(A), Page([], 0))
        self.assertNotEqual(self.store.rows(schema.mailboxes, "id"), [box])

    def test_largest_mailbox_that_goes_at_once(self) -> None:
        """A mailbox of as many messages as go at once leaves nothing; one more leaves one for expiry."""
        for more in (0, 1):
            self.open(A)
            for number in range(sql.MAX_DELETE_MESSAGES + more):
                self.add(A, str(number))
            self.close(A)
            self.assertEqual(len(self.store.rows(schema.messages, "number")), more)
            self.assertEqual(len(self.store.rows(schema.discarded_mailboxes)), more)

    def test_mailbox_ids_are_never_given_twice(self) -> None:
        """The number of a mailbox that has gone is not given to another, even if it was the highest."""
        seen = set()
        for _ in range(3):
            self.open(A)
            (box,) = self.store.rows(schema.mailboxes, "id")
            seen.add(box)
            self.close(A)
        self.assertEqual(len(seen), 3)

    def test_both_close_without_release(self) -> None:
        """Two sides that close and never release take the nameplate along: nothing is left."""
        self.claim(A)
        self.claim(B)
        self.assertEqual(self.close(A, "box1"), Retired())
        self.assertEqual(self.close(B, "box1"), Retired(Mood.HAPPY, Mood.HAPPY))
        self.nothing_left()
        self.assertEqual(self.release(A), Retired())
        self.assertEqual(self.claim(A), "box2")

    def test_takes_turns_on_the_nameplate(self) -> None:
        """A close that takes a nameplate along takes turns with the operations on that."""
        self.claim(A)
        self.needs(
            nameplate_key(APP, "7"),
            lambda tx: mailboxes.close_mailbox(tx, APP, A, "box1", None, USAGE, self.now),
        )

    def test_one_releases_and_both_close(self) -> None:
        """A nameplate that one side has released goes with the mailbox, too."""
        self.claim(A)
        self.claim(B)
        self.release(A)
        self.close(A, "box1")
        self.assertEqual(self.close(B, "box1"), Retired(Mood.HAPPY, Mood.HAPPY))
        self.nothing_left()

    def test_mailbox_outlives_its_nameplate(self) -> None:
        """After both have released, the mailbox goes on until both have closed."""
        self.claim(A)
        self.claim(B)
        self.release(A)
        self.release(B)
        self.add(A, "0", "box1")
        self.assertEqual(self.phases(self.open(B, "box1")), ["0"])
        self.close(A, "box1")
        self.assertEqual(self.close(B, "box1"), Retired(Mood.HAPPY))
        self.nothing_left()

    def test_nameplate_that_leads_elsewhere_by_now(self) -> None:
        """A mailbox does not take along a nameplate that has been claimed anew for another."""
        self.claim(A)
        self.release(A)
        self.claim(C)
        self.assertEqual(self.close(A, "box1"), Retired(Mood.LONELY))
        self.assertEqual(self.claim(D), "box2")

    def test_mailbox_that_outlives_a_nameplate_of_the_same_digits(self) -> None:
        """Messages of one exchange never reach the next on the same nameplate."""
        self.claim(A)
        self.add(A, "old", "box1")
        self.release(A)
        self.claim(B)
        self.assertEqual(self.open(B, "box2"), Page([], 0))

    def retire(self, mailbox: str, mood: Mood = Mood.PRUNEY) -> Retired:
        """Remove a mailbox of which the caller knows nothing but its row."""

        def operation(tx: Transaction) -> Retired:
            box = get_mailbox(tx, APP, mailbox)
            if box is None:
                raise AssertionError(mailbox)
            return retire_mailbox(tx, box, mood, USAGE, self.now)

        return self.store.run(operation)

    def test_whatever_the_mailbox_has(self) -> None:
        """A mailbox is removed with its nameplate and messages, of which the caller need not know."""
        self.claim(A)
        self.claim(B)
        self.assertEqual(self.retire("box1"), Retired(Mood.PRUNEY, Mood.PRUNEY))
        self.nothing_left()
        self.claim(A)
        for phase in range(sql.MAX_DELETE_MESSAGES + 1):
            self.add(A, str(phase), mailbox="box2")
        self.assertEqual(self.retire("box2"), Retired(Mood.PRUNEY, Mood.PRUNEY))
        self.assertEqual(len(self.store.rows(schema.messages, "number")), 1)
        self.assertEqual(len(self.store.rows(schema.discarded_mailboxes)), 1)

    def test_mood_of_the_nameplate(self) -> None:
        """A nameplate that is removed with its mailbox ends by its own sides, unless both have expired."""
        for mood, ended in (
            (Mood.SCARY, Mood.HAPPY),
            (Mood.CROWDED, Mood.HAPPY),
            (Mood.PRUNEY, Mood.PRUNEY),
        ):
            box = self.claim(A)
            self.claim(B)
            self.assertEqual(self.retire(box, mood), Retired(mood, ended))

    def test_nameplate_that_is_gone_or_points_elsewhere(self) -> None:
        """A mailbox that has lost its nameplate is removed alone."""
        self.claim(A)
        self.release(A)
        self.assertEqual(self.retire("box1"), Retired(Mood.PRUNEY))
        self.claim(A)
        self.release(A)
        self.claim(C)
        self.assertEqual(self.retire("box2"), Retired(Mood.PRUNEY))
        self.assertEqual(self.store.rows(schema.nameplates, "mailbox"), ["box3"])

    def test_no_needless_turns(self) -> None:
        """A close that removes no nameplate needs no key of one."""
        self.claim(A)
        self.release(A)
        self.open(B, "without a nameplate")
        for side, mailbox in ((A, "box1"), (B, "without a nameplate")):
            retired = self.store.run(
                lambda tx, side=side, mailbox=mailbox: mailboxes.close_mailbox(  # type: ignore[misc]
                    ContendedTransaction(tx, lambda _: True),
                    APP,
                    side,
                    mailbox,
                    None,
                    USAGE,
                    self.now,
                )
            )
            self.assertEqual(retired, Retired(Mood.LONELY))

    def test_usage(self) -> None:
        """One record for each nameplate and mailbox that went: when, how long, how it ended."""
        self.claim(A)
        self.now = 1010.0
        self.claim(B)
        self.now = 1030.0
        self.release(A)
        self.release(B)
        self.now = 1100.0
        self.close(A, "box1")
        self.close(B, "box1", mood="scary")
        self.open(C, "no nameplate", OTHER_APP)
        self.now = 1101.0
        self.close(C, "no nameplate", app=OTHER_APP)
        columns = ("app", "started", "waiting_seconds", "total_seconds", "mood")
        self.assertEqual(
            self.store.rows(schema.nameplate_usage, *columns),
            [(APP, 1000.0, 10.0, 30.0, "happy")],
        )
        self.assertEqual(
            self.store.rows(schema.mailbox_usage, *columns, "nameplate"),
            [
                (OTHER_APP, 1100.0, None, 1.0, "lonely", False),
                (APP, 1000.0, 10.0, 100.0, "scary", True),
            ],
        )


class RetirementOnSqlite(OnSqlite, RetirementRules):
    """Retirement on SQLite."""


class RetirementOnPostgres(OnPostgres, RetirementRules):
    """Retirement on PostgreSQL."""
