"""The mover that is a piece of this process's memory."""

from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase

from tests.transit_relay.links.fakes import FakeDescriptor
from tests.transit_relay.links.sockets import MoverCase
from transit_relay.links.mover import SIZE, Buffer, send


class BufferTests(MoverCase):
    """`Buffer`."""

    def test_moves(self) -> None:
        """Bytes go through, in order."""
        self.check(Buffer())

    def test_full(self) -> None:
        """A target that takes no more."""
        self.check_full(Buffer())

    def test_head(self) -> None:
        """A target that does not even take the head."""
        self.check_head(Buffer())

    def test_lost(self) -> None:
        """A target whose connection is lost."""
        self.check_lost(Buffer())

    def test_size(self) -> None:
        """It takes no more at once than it holds, which is a turn."""
        source = FakeDescriptor()
        source.socket.inbox = [bytes(SIZE + 1)]
        buffer = Buffer()
        self.assertEqual((buffer.size, buffer.turn), (SIZE, SIZE))
        self.assertEqual(buffer.fill(source.real, SIZE + 1), SIZE)
        self.assertEqual(buffer.fill(source.real, SIZE + 1), 1)

    def test_empty(self) -> None:
        """Without anything taken it sends nothing."""
        target = FakeDescriptor()
        self.assertEqual(Buffer().empty(target.real, b""), b"")
        self.assertEqual(target.socket.outbox, b"")


class SendTests(SynchronousTestCase):
    """`send`."""

    def setUp(self) -> None:
        self.target = FakeDescriptor()
        self.sent: list[int] = []
        sendmsg = self.target.socket.sendmsg

        def count(pieces: Sequence[memoryview]) -> int:
            self.sent.append(len(pieces))
            return sendmsg(pieces)

        self.patch(self.target.socket, "sendmsg", count)

    def pieces(self, number: int) -> list[memoryview]:
        return [memoryview(b"%d " % place) for place in range(number)]

    def check(self, number: int) -> None:
        pieces = self.pieces(number)
        self.assertEqual(send(self.target.real, pieces), b"")
        self.assertEqual(self.target.socket.outbox, b"".join(pieces))

    def test_pieces(self) -> None:
        """Up to 512 pieces are sent as they are, in one call."""
        self.check(512)
        self.assertEqual(self.sent, [512])

    def test_many_pieces(self) -> None:
        """More than 512 pieces are joined, as the system takes only so many."""
        self.check(513)
        self.assertEqual(self.sent, [1])

    def test_rest(self) -> None:
        """What the socket does not take is returned, also from the middle of a piece."""
        self.target.socket.takes = 3
        rest = send(self.target.real, [memoryview(b"ab"), memoryview(b"cd"), memoryview(b"ef")])
        self.assertEqual((self.target.socket.outbox, rest), (b"abc", b"def"))

    def test_nothing_taken(self) -> None:
        """A socket that takes nothing now returns everything."""
        self.target.socket.takes = 0
        self.assertEqual(send(self.target.real, [memoryview(b"ab"), memoryview(b"cd")]), b"abcd")

    def test_lost(self) -> None:
        """The error of a lost connection is raised."""
        self.target.socket.error = ConnectionResetError()
        with self.assertRaises(ConnectionResetError):
            send(self.target.real, [memoryview(b"ab")])
