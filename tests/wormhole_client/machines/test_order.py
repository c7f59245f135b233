"""Tests of the Order machine: the pake comes first, and there is one peer."""

from twisted.trial.unittest import SynchronousTestCase

from wormhole_client.machines.order import HELD_MESSAGES, OrderCore, order_machine


class OrderTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.messages_delivered: list[tuple[str, ...]] = []
        self.machine = order_machine(OrderCore(self.pake, self.message))

    def pake(self, body: bytes) -> None:
        self.messages_delivered.append(("pake", body.decode()))

    def message(self, side: str, phase: str, body: bytes) -> None:
        self.messages_delivered.append((side, phase, body.decode()))

    def test_in_order(self) -> None:
        """What comes in order is passed on at once."""
        self.machine.pake("s", b"p")
        self.machine.other("s", "version", b"v")
        self.assertEqual(self.messages_delivered, [("pake", "p"), ("s", "version", "v")])

    def test_reordered(self) -> None:
        """What comes before the pake waits for it, and keeps its order."""
        self.machine.other("s", "0", b"0")
        self.machine.other("s", "version", b"v")
        self.assertEqual(self.messages_delivered, [])
        self.machine.pake("s", b"p")
        self.assertEqual(
            self.messages_delivered, [("pake", "p"), ("s", "0", "0"), ("s", "version", "v")]
        )

    def test_first_peer(self) -> None:
        """The side of the first pake is the peer; what others say, before or after, is dropped."""
        self.machine.other("x", "0", b"x")
        self.machine.pake("s", b"p")
        self.machine.pake("x", b"other")
        self.machine.pake("s", b"again")
        self.machine.other("x", "1", b"x")
        self.assertEqual(self.messages_delivered, [("pake", "p")])

    def test_bounded(self) -> None:
        """A server that never sends the pake cannot fill our state."""
        for number in range(HELD_MESSAGES + 5):
            self.machine.other("s", str(number), b"")
        self.machine.pake("s", b"p")
        self.assertEqual(len(self.messages_delivered), 1 + HELD_MESSAGES)
