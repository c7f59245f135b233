"""Tests of `rendezvous.operations`."""

from __future__ import annotations

import re
from itertools import combinations

from twisted.trial.unittest import SynchronousTestCase

from rendezvous import requests
from rendezvous.allocation import Allocator
from rendezvous.errors import ErrorKind, Refusal
from rendezvous.messages import StoredMessage
from rendezvous.moods import Mood
from rendezvous.operations import Operations, mailbox_key, nameplate_key, new_mailbox_id
from rendezvous.requests import Request, Result
from rendezvous.statements import Transaction
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
        draws = iter([4, 4, 4, 6])
        self.operations = Operations(Usage(), Allocator(lambda _: next(draws)))
        operation, _ = self.operations.of(requests.AllocateNameplate("app", "a"), 1000.0)

        def allocate(tx: Transaction) -> Result:
            held = {nameplate_key("app", "5")}
            return operation(Transaction(tx._cursor, tx._dialect, lambda key: key not in held))

        claimed = self.store.run(allocate)
        if not isinstance(claimed, requests.Claimed):
            raise AssertionError(claimed)
        self.assertEqual(claimed.nameplate, "7")

    def test_allocate_in_vain(self) -> None:
        """Where others are taking everything the client is told to try later."""
        operation, _ = self.operations.of(requests.AllocateNameplate("app", "a"), 1000.0)

        def allocate(tx: Transaction) -> Result:
            return operation(Transaction(tx._cursor, tx._dialect, lambda _: False))

        refusal: Refusal = self.assertRaises(Refusal, self.store.run, allocate)
        self.assertIs(refusal.kind, ErrorKind.NO_NAMEPLATE_FREE)

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
