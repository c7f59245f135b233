"""The order's machine: the pake first, one peer only."""

from twisted.trial.unittest import SynchronousTestCase

from wormhole_client.order import HELD_MESSAGES, Core, order


class OrderTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.heard: list[tuple[str, ...]] = []
        self.machine = order(Core(self.pake, self.message))

    def pake(self, body: bytes) -> None:
        self.heard.append(("pake", body.decode()))

    def message(self, side: str, phase: str, body: bytes) -> None:
        self.heard.append((side, phase, body.decode()))

    def test_in_order(self) -> None:
        """What comes in order is passed on at once."""
        self.machine.pake("s", b"p")
        self.machine.other("s", "version", b"v")
        self.assertEqual(self.heard, [("pake", "p"), ("s", "version", "v")])

    def test_reordered(self) -> None:
        """What comes before the pake waits for it, and keeps its order."""
        self.machine.other("s", "0", b"0")
        self.machine.other("s", "version", b"v")
        self.assertEqual(self.heard, [])
        self.machine.pake("s", b"p")
        self.assertEqual(self.heard, [("pake", "p"), ("s", "0", "0"), ("s", "version", "v")])

    def test_first_peer(self) -> None:
        """The side of the first pake is the peer; what others say, before or after, is dropped."""
        self.machine.other("x", "0", b"x")
        self.machine.pake("s", b"p")
        self.machine.pake("x", b"other")
        self.machine.pake("s", b"again")
        self.machine.other("x", "1", b"x")
        self.assertEqual(self.heard, [("pake", "p")])

    def test_bounded(self) -> None:
        """A server that never sends the pake cannot fill our memory."""
        for number in range(HELD_MESSAGES + 5):
            self.machine.other("s", str(number), b"")
        self.machine.pake("s", b"p")
        self.assertEqual(len(self.heard), 1 + HELD_MESSAGES)
