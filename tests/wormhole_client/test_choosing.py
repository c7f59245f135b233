"""The allocator and the lister: both columns."""

from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_client.support import Recorder
from wormhole_client.choosing import AllocatorCore, ListerCore, allocator, lister


class AllocatorTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.recorder = Recorder()
        self.got: list[str] = []
        self.machine = allocator(AllocatorCore(self.recorder.send, self.got.append))

    def test_online(self) -> None:
        """Asked once, answered once; later answers and losses change nothing."""
        self.machine.connected()
        self.machine.allocate()
        self.machine.allocate()
        self.machine.allocated("4")
        self.machine.allocated("5")
        self.machine.allocate()
        self.machine.lost()
        self.machine.connected()
        self.assertEqual((self.recorder.take(), self.got), ([{"type": "allocate"}], ["4"]))

    def test_asked_again(self) -> None:
        """A question without an answer is repeated on each connection."""
        self.machine.allocate()
        self.machine.allocate()
        for _ in range(2):
            self.machine.connected()
            self.assertEqual(self.recorder.take(), [{"type": "allocate"}])
            self.machine.lost()
        self.machine.allocated("late")
        self.assertEqual(self.got, [])

    def test_unasked(self) -> None:
        """An answer without a question is nothing."""
        self.machine.allocated("4")
        self.machine.connected()
        self.machine.allocated("4")
        self.machine.lost()
        self.machine.connected()
        self.assertEqual((self.recorder.take(), self.got), ([], []))


class ListerTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.recorder = Recorder()
        self.got: list[frozenset[str]] = []
        self.machine = lister(ListerCore(self.recorder.send, self.got.append))

    def test_online(self) -> None:
        """One answer serves all who ask before it; then one may ask again."""
        self.machine.connected()
        self.machine.refresh()
        self.machine.refresh()
        self.machine.listed(frozenset("4"))
        self.machine.listed(frozenset("5"))
        self.machine.refresh()
        self.machine.listed(frozenset("6"))
        self.assertEqual(self.recorder.take(), [{"type": "list"}] * 2)
        self.assertEqual(self.got, [frozenset("4"), frozenset("6")])

    def test_asked_again(self) -> None:
        """A question without an answer is repeated on each connection."""
        self.machine.listed(frozenset("x"))
        self.machine.refresh()
        self.machine.refresh()
        for _ in range(2):
            self.machine.connected()
            self.assertEqual(self.recorder.take(), [{"type": "list"}])
            self.machine.lost()
        self.machine.listed(frozenset("x"))
        self.machine.connected()
        self.machine.listed(frozenset("4"))
        self.machine.lost()
        self.machine.connected()
        self.assertEqual(self.got, [frozenset("4")])
