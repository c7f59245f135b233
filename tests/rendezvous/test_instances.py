"""Tests of the rules where several connections to one PostgreSQL carry them out at the same time."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, DeferredList
from twisted.trial.unittest import SynchronousTestCase

from rendezvous import requests
from rendezvous.database import open_engine, open_runners
from rendezvous.errors import ErrorKind, Refusal
from rendezvous.ledger import Ledger
from rendezvous.operations import Operations
from rendezvous.requests import Added, Claimed, Page, Request, Result
from rendezvous.schema import metadata
from rendezvous.usage import Usage
from tests.databases import drop_postgres, new_postgres_url
from tests.rendezvous.fakes import Reactor, Recorder


class InstancesTests(SynchronousTestCase):
    """Two instances of two lanes each."""

    def setUp(self) -> None:
        """Bring them up on one database."""
        url = new_postgres_url()
        self.addCleanup(drop_postgres, url)
        engine = open_engine(url)
        metadata.create_all(engine)
        self.reactor = Reactor()
        self.observer = Recorder()
        self.ledgers = [Ledger(self.reactor) for _ in range(2)]
        self.operations = [Operations(Usage()) for _ in self.ledgers]
        for ledger in self.ledgers:
            ledger.open(open_runners(self.reactor, engine, self.observer))  # type: ignore[arg-type]
            self.addCleanup(lambda ledger=ledger: self.reactor.result(ledger.close()))  # type: ignore[misc]

    def send(self, request: Request, place: int) -> Deferred[Result]:
        """Let one of the four lanes carry it out."""
        operation, keys = self.operations[place % 2].of(request, 1000.0)
        return self.ledgers[place % 2].submit(operation, lane=place // 2, keys=keys)

    def results(self, sent: list[Deferred[Result]]) -> list[Result]:
        """Of all; none may fail."""
        told: list[tuple[bool, Any]] = self.reactor.result(DeferredList(sent, consumeErrors=True))
        for good, result in told:
            if not good:
                result.raiseException()
        return [result for _, result in told]

    def test_messages_have_one_order(self) -> None:
        """However many add at once, the messages of a mailbox are numbered without gap or repetition."""
        opened = [self.send(requests.OpenMailbox("app", side, "box"), 0) for side in "ab"]
        self.results(opened)
        sent = []
        for number in range(100):
            add = requests.AddMessage("app", "ab"[number % 2], "box", str(number), "", "null", 0.0)
            sent.append(self.send(add, number % 4))
            if number % 8 == 7:
                self.reactor.advance(0)
        results = self.results(sent)
        numbers = [result.message.number for result in results if isinstance(result, Added)]
        self.assertEqual(sorted(numbers), list(range(1, 101)))
        # Those of one lane keep their order.
        for place in range(4):
            self.assertEqual(numbers[place::4], sorted(numbers[place::4]))
        (page,) = self.results([self.send(requests.OpenMailbox("app", "a", "box"), 1)])
        if not isinstance(page, Page):
            raise AssertionError(page)
        stored = {message.number: message.phase for message in page.messages}
        self.assertEqual(stored, {number: str(n) for n, number in enumerate(numbers)})

    def test_allocated_once(self) -> None:
        """No two who allocate at the same time are given the same nameplate, and none is told of a fault."""
        sent = [
            self.send(requests.AllocateNameplate("app", f"side {number}"), number % 4)
            for number in range(120)
        ]
        claimed = [result for result in self.results(sent) if isinstance(result, Claimed)]
        self.assertEqual(len({result.nameplate for result in claimed}), 120)
        self.assertEqual(len({result.mailbox for result in claimed}), 120)
        self.assertEqual(self.observer.counts["batch_failed"], 0)

    def test_same_nameplate_at_once(self) -> None:
        """Of four sides that claim one nameplate at once two get it, the same, and two are crowded."""
        for number in range(20):
            claims = [
                self.send(requests.ClaimNameplate("app", side, str(number)), place)
                for place, side in enumerate("abcd")
            ]
            told: list[tuple[bool, Any]] = self.reactor.result(
                DeferredList(claims, consumeErrors=True)
            )
            boxes = [result.mailbox for good, result in told if good]
            refused = [failure.value for good, failure in told if not good]
            self.assertEqual((len(boxes), len(set(boxes))), (2, 1))
            for refusal in refused:
                self.assertIsInstance(refusal, Refusal)
                self.assertIs(refusal.kind, ErrorKind.CROWDED)
        self.assertEqual(self.observer.counts["batch_failed"], 0)

    def test_exchanges_at_once(self) -> None:
        """Many exchanges at once, their sides on different instances, all come to their end."""
        exchanges = range(30)
        claims: list[Deferred[Result]] = []
        for side, shift in (("a", 0), ("b", 1)):
            claims += [
                self.send(requests.ClaimNameplate("app", side, str(n)), n + shift)
                for n in exchanges
            ]
        claimed = [result for result in self.results(claims) if isinstance(result, Claimed)]
        sent = []
        for side, shift in (("a", 0), ("b", 1)):
            for number, result in zip(exchanges, claimed[:30], strict=True):
                steps: list[Request] = [
                    requests.OpenMailbox("app", side, result.mailbox),
                    requests.AddMessage("app", side, result.mailbox, "0", "", "null", 0.0),
                    requests.ReleaseNameplate("app", side, result.nameplate),
                    requests.CloseMailbox("app", side, result.mailbox, "happy"),
                ]
                for step in steps:
                    sent.append(self.send(step, (number + shift) % 4))
                    self.reactor.advance(0)
        self.results(sent)
        (left,) = self.results([self.send(requests.ListNameplates("app"), 0)])
        self.assertEqual(left, requests.Nameplates([]))
        self.assertEqual(self.observer.counts["batch_failed"], 0)
