"""Tests of `rendezvous.operations`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from rendezvous import requests
from rendezvous.allocation import Allocator
from rendezvous.errors import ErrorKind, Refusal
from rendezvous.keys import mailbox_key, nameplate_key
from rendezvous.messages import StoredMessage
from rendezvous.moods import Mood
from rendezvous.operations import Operations, new_mailbox_id
from rendezvous.requests import Request, Result
from rendezvous.statements import Row, Statement, Transaction
from rendezvous.usage import Usage
from tests.rendezvous.stores import OnPostgres, OnSqlite, StoreCase


class IdTests(SynchronousTestCase):
    """Names that the server makes."""

    def test_mailbox_ids(self) -> None:
        """A mailbox id is 13 lower-case base32 characters, and random."""
        made = {new_mailbox_id() for _ in range(1000)}
        self.assertEqual(len(made), 1000)
        for each in made:
            self.assertIsNotNone(re.fullmatch("[a-z2-7]{13}", each))

    def test_keys(self) -> None:
        """No two nameplates or mailboxes, however named, share a key."""
        addresses = [("a", "b"), ("b", "a"), ("a b", ""), ("", "a b"), ("1 a", "b"), ("a", "1 b")]
        addresses += [("a", "b a"), ("a a", "b"), ("", ""), (" ", ""), ("", " ")]
        for one, other in combinations(addresses, 2):
            self.assertNotEqual(mailbox_key(*one), mailbox_key(*other))
        digits = [("a", "1"), ("1 a", "1"), ("a", "11"), ("1", "1")]
        for one, other in combinations(digits, 2):
            self.assertNotEqual(nameplate_key(*one), nameplate_key(*other))
        self.assertNotEqual(nameplate_key("a", "1"), mailbox_key("a", "1"))


class Counting(Transaction):
    """Counts the statements that pass through it to another, which is alone."""

    def __init__(self, tx: Transaction, counted: list[str]) -> None:
        super().__init__(tx._cursor, tx._dialect)
        self._counted = counted
        self._later = tx._later

    def all(self, statement: Statement, **values: Any) -> Sequence[Row]:
        self._counted.append("all")
        return super().all(statement, **values)

    def one(self, statement: Statement, **values: Any) -> Row | None:
        self._counted.append("one")
        return super().one(statement, **values)

    def each(self, statement: Statement, **values: Any) -> Iterator[Row]:
        self._counted.append("each")
        return super().each(statement, **values)

    def run(self, statement: Statement, **values: Any) -> None:
        self._counted.append("run")
        super().run(statement, **values)

    def count(self, statement: Statement, **values: Any) -> int:
        self._counted.append("count")
        return super().count(statement, **values)

    def later(self, statement: Statement, **values: Any) -> None:
        self._counted.append("later")
        super().later(statement, **values)


class OperationsRules(StoreCase):
    """Requests carried out."""

    __test__ = False

    def setUp(self) -> None:
        """Begin with an empty database."""
        super().setUp()
        self.operations = Operations(Usage())

    def do(self, request: Request) -> Result:
        """Carry it out."""
        operation, _ = self.operations.of(request, 1000.0)
        return self.store.run(operation)

    def test_every_request(self) -> None:
        """Every request of an exchange has its operation, and names what it takes turns on."""
        claimed = self.do(requests.AllocateNameplate("app", "a"))
        if not isinstance(claimed, requests.Claimed):
            raise AssertionError(claimed)
        name, box = claimed.nameplate, claimed.mailbox
        stored = StoredMessage(1, "a", "0", "ab", "null", 1.0)
        add = requests.AddMessage("app", "a", box, "0", "ab", "null", 1.0)
        steps: list[tuple[Request, Result, tuple[str, ...]]] = [
            (requests.ListNameplates("app"), requests.Nameplates([name]), ()),
            (
                requests.ClaimNameplate("app", "b", name),
                requests.Claimed(name, box),
                (nameplate_key("app", name),),
            ),
            (
                requests.OpenMailbox("app", "b", box),
                requests.Page([], 0),
                (mailbox_key("app", box),),
            ),
            (add, requests.Added(stored), (mailbox_key("app", box),)),
            (
                requests.ReleaseNameplate("app", "a", name),
                requests.Released(),
                (nameplate_key("app", name),),
            ),
            (
                requests.CloseMailbox("app", "a", box, "scary"),
                requests.Closed(),
                (mailbox_key("app", box),),
            ),
            (
                requests.CloseMailbox("app", "b", box, None),
                requests.Closed(Mood.SCARY, Mood.HAPPY),
                (mailbox_key("app", box),),
            ),
        ]
        for request, result, keys in steps:
            self.assertEqual(tuple(self.operations.of(request, 1000.0)[1]), keys)
            self.assertEqual(self.do(request), result)

    def test_allocate_claims(self) -> None:
        """What was allocated is claimed: nobody else is given it, and the side may claim it again."""
        found = [self.do(requests.AllocateNameplate("app", f"side {n}")) for n in range(9)]
        names = {each.nameplate for each in found if isinstance(each, requests.Claimed)}
        self.assertEqual(names, set("123456789"))
        first = found[0]
        if not isinstance(first, requests.Claimed):
            raise AssertionError(first)
        again = self.do(requests.ClaimNameplate("app", "side 0", first.nameplate))
        self.assertEqual(again, first)

    def test_allocate_what_another_is_taking(self) -> None:
        """A nameplate that another transaction is just taking is left to it."""
        draws = iter([4, 4])
        self.operations = Operations(Usage(), Allocator(lambda _: next(draws)))
        operation, _ = self.operations.of(requests.AllocateNameplate("app", "a"), 1000.0)

        def allocate(tx: Transaction) -> Result:
            held = {nameplate_key("app", "5")}
            return operation(Transaction(tx._cursor, tx._dialect, lambda key: key not in held))

        claimed = self.store.run(allocate)
        if not isinstance(claimed, requests.Claimed):
            raise AssertionError(claimed)
        self.assertEqual(claimed.nameplate, "6")

    def test_allocate_while_others_take_all_that_is_short(self) -> None:
        """Where others are taking all that is short, it is a longer one, and only for the moment."""
        operation, _ = self.operations.of(requests.AllocateNameplate("app", "a"), 1000.0)
        held = {nameplate_key("app", str(number)) for number in range(1, 100)}

        def allocate(tx: Transaction) -> Result:
            return operation(Transaction(tx._cursor, tx._dialect, lambda key: key not in held))

        claimed = [self.store.run(allocate)]
        held.clear()
        claimed.append(self.store.run(allocate))
        names = [each.nameplate for each in claimed if isinstance(each, requests.Claimed)]
        self.assertEqual([len(name) for name in names], [3, 1])

    def test_allocate_in_vain(self) -> None:
        """Where others are taking everything the client is told to try later."""
        operation, _ = self.operations.of(requests.AllocateNameplate("app", "a"), 1000.0)

        def allocate(tx: Transaction) -> Result:
            return operation(Transaction(tx._cursor, tx._dialect, lambda _: False))

        refusal: Refusal = self.assertRaises(Refusal, self.store.run, allocate)
        self.assertIs(refusal.kind, ErrorKind.NO_NAMEPLATE_FREE)

    def test_few_statements(self) -> None:
        """An exchange of two clients takes 26 statements, and 2 that are put off, to go with others."""
        counted: list[str] = []

        def do(request: Request) -> Result:
            operation, _ = self.operations.of(request, 1000.0)

            def count(tx: Transaction) -> Result:
                return operation(Counting(tx, counted))

            return self.store.run(count)

        claimed = do(requests.AllocateNameplate("app", "a"))
        if not isinstance(claimed, requests.Claimed):
            raise AssertionError(claimed)
        plate, box = claimed.nameplate, claimed.mailbox
        for side in ("a", "b"):
            do(requests.ClaimNameplate("app", side, plate))
            do(requests.OpenMailbox("app", side, box))
            for phase in ("pake", "version", "0", "1", "2"):
                do(requests.AddMessage("app", side, box, phase, "00", "null", 1000.0))
        for side in ("a", "b"):
            do(requests.ReleaseNameplate("app", side, plate))
        for side in ("a", "b"):
            do(requests.CloseMailbox("app", side, box, "happy"))
        self.assertEqual(counted.count("later"), 2)
        self.assertLessEqual(len(counted) - 2, 26)

    def test_list_disallowed(self) -> None:
        """Where listing is not allowed the list is empty."""
        self.do(requests.ClaimNameplate("app", "a", "7"))
        self.assertEqual(self.do(requests.ListNameplates("app")), requests.Nameplates(["7"]))
        self.operations = Operations(Usage(), list_allowed=False)
        self.assertEqual(self.do(requests.ListNameplates("app")), requests.Nameplates([]))


class OperationsOnSqlite(OnSqlite, OperationsRules):
    """On SQLite."""


class OperationsOnPostgres(OnPostgres, OperationsRules):
    """On PostgreSQL."""
