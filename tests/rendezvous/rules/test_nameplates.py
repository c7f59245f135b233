"""Tests of `rendezvous.rules.nameplates`: docs/protocol.md, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

import random
import re
from itertools import count

from twisted.trial.unittest import SynchronousTestCase

from rendezvous.errors import ErrorKind, Refusal
from rendezvous.ledger.keys import mailbox_key, nameplate_key
from rendezvous.ledger.transaction import Transaction
from rendezvous.protocol.moods import Mood, Retired
from rendezvous.rules import nameplates, schema
from rendezvous.rules.allocation import Allocator
from rendezvous.rules.nameplates import Allocated, new_mailbox_id
from rendezvous.rules.sql import nameplates as sql
from tests.rendezvous.exchanges import APP, OTHER_APP, A, B, C, D, RulesCase
from tests.rendezvous.stores import ContendedTransaction, OnPostgres, OnSqlite, StoreCase


class IdTests(SynchronousTestCase):
    """Names that the server makes."""

    def test_mailbox_ids(self) -> None:
        """A mailbox id is 13 lower-case base32 characters, and random."""
        made = {new_mailbox_id() for _ in range(1000)}
        self.assertEqual(len(made), 1000)
        for each in made:
            self.assertIsNotNone(re.fullmatch("[a-z2-7]{13}", each))


class AllocationRules(StoreCase):
    """`allocate`, beside other transactions."""

    __test__ = False

    def allocate(self, tx: Transaction, allocator: Allocator | None = None) -> Allocated:
        """Allocate for a new side."""
        allocator = allocator or Allocator(random.Random(7).randrange)
        return nameplates.allocate(tx, "app", "a", allocator, new_mailbox_id, 1000.0)

    def test_claimed(self) -> None:
        """What was allocated is claimed for the side, with a mailbox that it has open."""
        found = self.store.run(self.allocate)
        self.assertEqual(
            self.store.rows(schema.nameplates, "name", "mailbox", "first_side"),
            [(found.nameplate, found.mailbox, "a")],
        )
        self.assertEqual(
            self.store.rows(schema.mailboxes, "mailbox", "nameplate", "first_side", "first_open"),
            [(found.mailbox, found.nameplate, "a", True)],
        )

    def test_what_another_is_taking(self) -> None:
        """A nameplate that another transaction is taking is left to it."""
        draws = iter([4, 4])
        held = {nameplate_key("app", "5")}

        def allocate(tx: Transaction) -> Allocated:
            contended = ContendedTransaction(tx, lambda key: key in held)
            return self.allocate(contended, Allocator(lambda _: next(draws)))

        self.assertEqual(self.store.run(allocate).nameplate, "6")

    def test_what_another_has_taken_since(self) -> None:
        """A nameplate that another transaction has taken since it was found is left to it."""
        draws = iter([4, 4])
        allocator = Allocator(lambda _: next(draws))
        find = allocator.find

        def allocate(tx: Transaction) -> Allocated:
            found = find(tx, "app", 1000.0)
            numbers = count(1)
            nameplates.claim(tx, "app", "b", found, lambda: f"box{next(numbers)}", 1000.0)
            self.patch(allocator, "find", lambda *rest: found if not rest[-1] else find(*rest))
            return self.allocate(ContendedTransaction(tx, lambda _: False), allocator)

        self.assertEqual(self.store.run(allocate).nameplate, "6")

    def test_while_others_take_all_that_is_short(self) -> None:
        """If others are taking all that is short it is a longer one, and only for the moment."""
        held = {nameplate_key("app", str(number)) for number in range(1, 100)}
        allocator = Allocator(random.Random(7).randrange)

        def allocate(tx: Transaction) -> Allocated:
            return self.allocate(ContendedTransaction(tx, lambda key: key in held), allocator)

        found = [self.store.run(allocate)]
        held.clear()
        found.append(self.store.run(allocate))
        self.assertEqual([len(each.nameplate) for each in found], [3, 1])

    def test_in_vain(self) -> None:
        """If others are taking everything the client is told to try later."""

        def allocate(tx: Transaction) -> Allocated:
            return self.allocate(ContendedTransaction(tx, lambda _: True))

        refusal: Refusal = self.assertRaises(Refusal, self.store.run, allocate)
        self.assertIs(refusal.kind, ErrorKind.NO_NAMEPLATE_FREE)
        self.assertEqual(self.store.rows(schema.nameplates), [])


class AllocationOnSqlite(OnSqlite, AllocationRules):
    """Allocation on SQLite."""


class AllocationOnPostgres(OnPostgres, AllocationRules):
    """Allocation on PostgreSQL."""


class NameplateRules(RulesCase):
    """`claim` and `release`."""

    __test__ = False

    def test_two_sides_meet(self) -> None:
        """The first side makes the mailbox, the second gets the same one."""
        self.assertEqual(self.claim(A), "box1")
        self.assertEqual(self.claim(B), "box1")

    def test_claim_again(self) -> None:
        """A side that repeats its claim, after a reconnect, has the same answer and changes nothing."""
        self.claim(A)
        before = self.store.rows(schema.nameplates) + self.store.rows(schema.mailboxes)
        self.assertEqual(self.claim(A), "box1")
        after = self.store.rows(schema.nameplates) + self.store.rows(schema.mailboxes)
        self.assertEqual(after, before)
        self.claim(B)
        self.assertEqual(self.claim(A), "box1")
        self.assertEqual(self.claim(B), "box1")

    def test_claim_again_is_use(self) -> None:
        """A claim that is repeated later counts as use of the nameplate."""
        self.claim(A)
        self.now += 500
        self.claim(A)
        self.assertEqual(self.store.rows(schema.nameplates, "used"), [1500.0])

    def test_takes_turns_on_the_mailbox(self) -> None:
        """The second claim takes turns with the operations on the mailbox."""
        self.claim(A)
        self.needs(
            mailbox_key(APP, "box1"),
            lambda tx: nameplates.claim(tx, APP, B, "7", lambda: "box2", self.now),
        )

    def test_use_within_a_second(self) -> None:
        """A claim that is repeated within a second is not worth a write."""
        self.claim(A)
        for seconds, used in ((0.5, 1000.0), (1.0, 1001.0), (1.5, 1001.0)):
            self.now = 1000.0 + seconds
            self.claim(A)
            self.assertEqual(self.store.rows(schema.nameplates, "used"), [used])

    def test_third_side(self) -> None:
        """A third side is crowded, as often as it tries, and the two go on as if it never was."""
        self.claim(A)
        self.claim(B)
        for _ in range(2):
            self.crowded(self.claim, C)
        self.assertEqual(self.claim(A), "box1")
        self.assertEqual(self.claim(B), "box1")

    def test_third_side_after_a_release(self) -> None:
        """A side that has released still counts: its place is not free for another."""
        self.claim(A)
        self.claim(B)
        self.release(A)
        self.crowded(self.claim, C)

    def test_reclaimed(self) -> None:
        """A side that has released a nameplate cannot claim it again while it lives."""
        self.claim(A)
        self.claim(B)
        self.release(A)
        self.refused(ErrorKind.RECLAIMED, self.claim, A)
        self.assertEqual(self.claim(B), "box1")
        self.release(B)
        self.assertEqual(self.claim(A), "box2")

    def test_second_side_reclaimed(self) -> None:
        """That goes for the second side, too."""
        self.claim(A)
        self.claim(B)
        self.release(B)
        self.refused(ErrorKind.RECLAIMED, self.claim, B)

    def test_goes_when_both_have_released(self) -> None:
        """A nameplate goes with its last release, in either order; a repeated one changes nothing."""
        for first, second in ((A, B), (B, A)):
            self.claim(A)
            self.claim(B)
            for _ in range(2):
                self.assertEqual(self.release(first), Retired())
            self.assertEqual(self.release(second), Retired(nameplate=Mood.HAPPY))
            self.assertEqual(self.release(second), Retired())
            self.assertEqual(self.store.rows(schema.nameplates), [])

    def test_goes_with_its_only_side(self) -> None:
        """A nameplate that only one side claimed goes when that side releases it."""
        self.claim(A)
        self.assertEqual(self.release(A), Retired(nameplate=Mood.LONELY))
        self.assertEqual(self.store.rows(schema.nameplates), [])

    def test_release_of_nothing(self) -> None:
        """Releasing what does not exist, or what another has, is answered and changes nothing."""
        self.assertEqual(self.release(A), Retired())
        self.claim(A)
        for stranger in (B, C):
            self.assertEqual(self.release(stranger), Retired())
        self.assertEqual(self.claim(A), "box1")
        self.assertEqual(self.claim(B), "box1")

    def test_crowded_is_remembered(self) -> None:
        """A nameplate that a third side tried to claim ends as crowded."""
        self.claim(A)
        self.claim(B)
        self.crowded(self.claim, C)
        self.release(A)
        self.assertEqual(self.release(B), Retired(nameplate=Mood.CROWDED))

    def test_apps_are_apart(self) -> None:
        """The same nameplate in two apps is two nameplates."""
        self.assertEqual(self.claim(A), "box1")
        self.assertEqual(self.claim(B, app=OTHER_APP), "box2")
        self.claim(C)
        self.claim(D, app=OTHER_APP)
        self.release(A)
        self.release(C)
        self.assertEqual(self.claim(B, app=OTHER_APP), "box2")

    def test_digits_are_letters(self) -> None:
        """Nameplates are compared as they are written: 7, 07 and 007 are three."""
        names = ["7", "07", "007", "0", "9" * 40]
        boxes = {self.claim(A, name) for name in names}
        self.assertEqual(len(boxes), len(names))

    def test_claim_opens_the_mailbox(self) -> None:
        """Claiming opens the mailbox for the side: it must close it, and may add to it."""
        self.claim(A)
        self.claim(B)
        self.add(A, mailbox="box1")
        self.add(B, mailbox="box1")
        self.assertEqual(self.close(A, "box1"), Retired())
        self.assertEqual(self.close(B, "box1").mailbox, Mood.HAPPY)

    def test_refused_by_the_mailbox(self) -> None:
        """A side that claims a nameplate to whose mailbox two others came is crowded, without a trace."""
        self.claim(A)
        self.open(B, "box1")
        self.crowded(self.claim, C)
        self.assertEqual(self.claim(B), "box1")
        self.release(A)
        self.assertEqual(self.release(B), Retired(nameplate=Mood.HAPPY))

    def test_list(self) -> None:
        """The nameplates of the app that wait for a second side are listed, the newest first."""
        for name in ("10", "7", "007", "3", "99"):
            self.claim(A, name)
        self.claim(B, "10")
        self.claim(B, "99")
        self.release(A, "99")
        self.claim(A, "8", app=OTHER_APP)
        listed = self.store.run(lambda tx: nameplates.list_nameplates(tx, APP, 100))
        self.assertEqual(listed, ["3", "007", "7"])
        two = self.store.run(lambda tx: nameplates.list_nameplates(tx, APP, 2))
        self.assertEqual(two, ["3", "007"])

    def test_list_reads_no_others(self) -> None:
        """A list reads none of the nameplates that have two sides, or are another app's."""
        dialect = self.store.engine.dialect
        if dialect.name == "sqlite":
            text, bind = sql.WAITING.compiled(dialect)
            with self.store.engine.connect() as connection:
                values = bind({"the_app": APP, "the_most": 10})
                plan = connection.exec_driver_sql("EXPLAIN QUERY PLAN " + text, values).all()
            self.assertEqual(
                [row.detail for row in plan],
                ["SEARCH nameplates USING INDEX ix_nameplates_waiting (app=?)"],
            )


class NameplatesOnSqlite(OnSqlite, NameplateRules):
    """Nameplates on SQLite."""


class NameplatesOnPostgres(OnPostgres, NameplateRules):
    """Nameplates on PostgreSQL."""
