"""Tests of the Request machine, offline and online."""

from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_client.fakes import Recorder
from wormhole_client.machines.request import RequestCore, request_machine


class RequestTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.recorder = Recorder()
        self.got: list[frozenset[str]] = []
        self.machine = request_machine(RequestCore("list", self.recorder.send, self.got.append))

    def test_online(self) -> None:
        """An answer serves every request before it; a later request has an answer of its own."""
        self.machine.connected()
        self.machine.request()
        self.machine.request()
        self.machine.answered(frozenset("4"))
        self.machine.answered(frozenset("5"))
        self.machine.request()
        self.machine.answered(frozenset("6"))
        self.assertEqual(self.recorder.take(), [{"type": "list"}] * 2)
        self.assertEqual(self.got, [frozenset("4"), frozenset("6")])

    def test_asked_again(self) -> None:
        """A request without an answer is repeated on each connection."""
        self.machine.answered(frozenset("x"))
        self.machine.request()
        self.machine.request()
        for _ in range(2):
            self.machine.connected()
            self.assertEqual(self.recorder.take(), [{"type": "list"}])
            self.machine.lost()
        self.machine.answered(frozenset("x"))
        self.machine.connected()
        self.machine.answered(frozenset("4"))
        self.machine.lost()
        self.machine.connected()
        self.assertEqual(self.got, [frozenset("4")])
