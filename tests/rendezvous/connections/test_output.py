"""Tests of `rendezvous.connections.output`."""

from __future__ import annotations

import attrs
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from rendezvous.connections.output import Output
from rendezvous.ledger.ledger import Ledger
from rendezvous.observer import DropReason
from tests.rendezvous.fakes import FakeTransport, Recorder
from tests.rendezvous.servers import LIMITS, make_rendezvous
from tests.schedulers import make_scheduler


class OutputTests(SynchronousTestCase):
    """What a client is sent, and how its connection ends."""

    def setUp(self) -> None:
        """Have one, for a client that may have 100 bytes wait for it."""
        clock = Clock()
        self.observer = Recorder()
        self.rendezvous = make_rendezvous(
            clock,
            Ledger(make_scheduler(clock)),
            self.observer,
            limits=attrs.evolve(LIMITS, send_buffer_bytes=100),
        )
        self.transport = FakeTransport()
        self.output = Output(self.rendezvous, self.transport)

    def test_sent(self) -> None:
        """A message is sent as one text frame, a frame as it is."""
        self.output.send(b"{}")
        self.output.write(b"frame")
        self.assertEqual(self.transport.frames, [b"\x81\x02{}", b"frame"])

    def test_reading(self) -> None:
        """For a client that reads nothing is counted, however much it is sent."""
        for _ in range(10):
            self.output.write(b"x" * 99)
        self.assertEqual((self.output.full, self.output.waiting_bytes), (False, 0))
        self.assertEqual((self.transport.dropped, self.rendezvous.stalled), ([], set()))

    def test_not_reading(self) -> None:
        """A client that does not read may have the limit wait for it, and is dropped once above that."""
        self.output.set_full()
        self.assertEqual(self.rendezvous.stalled, {self.output})
        for size in (60, 40):
            self.output.write(b"x" * size)
        self.assertEqual((self.output.waiting_bytes, self.transport.dropped), (100, []))
        for _ in range(2):
            self.output.write(b"y")
        self.assertEqual((self.transport.dropped, self.output.dropped), ([False], True))
        self.assertEqual(self.observer.drops, [DropReason.NOT_READING])
        self.assertEqual(self.transport.frames, [b"x" * 60, b"x" * 40])

    def test_full_again(self) -> None:
        """A transport that says again that it is full does not start the count anew."""
        for _ in range(3):
            self.output.set_full()
            self.output.write(b"x" * 40)
        self.assertEqual(self.transport.dropped, [False])

    def test_drained(self) -> None:
        """What a client has read no longer counts."""
        for _ in range(3):
            self.output.set_full()
            self.output.write(b"x" * 90)
            self.output.set_drained()
        self.assertEqual((self.output.full, self.output.waiting_bytes), (False, 0))
        self.assertEqual((self.transport.dropped, self.rendezvous.stalled), ([], set()))

    def test_dropped(self) -> None:
        """A connection is dropped once, for one reason, and is sent nothing after that."""
        for flush in (False, True):
            output = Output(self.rendezvous, self.transport)
            output.drop(DropReason.DATABASE, flush=flush)
            output.drop(DropReason.INTERNAL)
            output.send(b"{}")
        self.assertEqual((self.transport.dropped, self.transport.frames), ([False, True], []))
        self.assertEqual(self.observer.drops, [DropReason.DATABASE] * 2)

    def test_aborted(self) -> None:
        """A connection that was to be dropped in good order is dropped at once, and counted once."""
        self.output.drop(DropReason.DATABASE, flush=True)
        self.output.abort(DropReason.SILENT)
        self.assertEqual(self.transport.dropped, [True, False])
        self.assertEqual(self.observer.drops, [DropReason.DATABASE])
        other = Output(self.rendezvous, self.transport)
        other.abort(DropReason.SILENT)
        self.assertEqual(self.transport.dropped, [True, False, False])

    def test_lost(self) -> None:
        """A connection that is gone is not dropped, and does not count as one that does not read."""
        self.output.set_full()
        self.output.set_lost()
        self.output.drop(DropReason.INTERNAL)
        self.assertEqual((self.transport.dropped, self.observer.drops), ([], []))
        self.assertEqual(self.rendezvous.stalled, set())
