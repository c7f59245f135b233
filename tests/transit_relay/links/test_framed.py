"""Tests of `transit_relay.links.framed`."""

from collections.abc import Sequence

from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.trial.unittest import SynchronousTestCase

from tests.transit_relay.fakes import FakeObserver
from tests.transit_relay.links.fakes import FakeBuddy, FakeDescriptor, FakeFraming
from transit_relay.credit import Credit
from transit_relay.link import Meter
from transit_relay.links.framed import FrameDirection
from transit_relay.links.resources import LinkResources
from wormhole_websocket.frames import MARGIN


class FrameDirectionCase(SynchronousTestCase):
    """A direction from a WebSocket peer to one on TCP, or on WebSocket."""

    def setUp(self, *, framed: bool = False, credit: Credit | None = None) -> None:
        self.resources = LinkResources(1, FakeObserver())
        self.source, self.target = FakeBuddy(), FakeBuddy()
        self.entry, self.outlet = FakeDescriptor(), FakeDescriptor()
        self.framing = FakeFraming()
        if framed:
            self.target.fake.framing = FakeFraming()
        self.target.fake.credit = credit
        self.meter = Meter(lambda _: None)
        self.direction = FrameDirection(
            self.source,
            self.entry.real,
            self.target,
            self.outlet.real,
            self.meter,
            self.resources,
            self.framing,
        )
        self.direction.start()
        self.direction.resumeProducing()

    def read(self, *inbox: bytes | OSError) -> Exception | None:
        """Read once."""
        self.entry.socket.inbox = list(inbox)
        return self.direction.read()


class FrameDirectionTests(FrameDirectionCase):
    """`FrameDirection`."""

    def test_start(self) -> None:
        """It reads from the socket; what the transport had read before is sent through the target's."""
        self.assertEqual(self.entry.reader, self.direction.read)
        self.source.receive(b"before")
        self.assertEqual((self.outlet.written, self.meter.total), (b"before", 6))
        self.assertTrue(self.source.fake.paused)
        self.assertIsNone(self.read(b"abc;"))
        self.assertEqual(self.outlet.socket.outbox, b"")
        self.direction.resumeProducing()
        self.assertFalse(self.source.fake.paused)
        self.read(b"abc;")
        self.assertEqual(self.outlet.socket.outbox, b"abc")

    def test_pieces(self) -> None:
        """The payload of all frames that were read is sent at once, and counted."""
        self.assertIsNone(self.read(b"ab;!ping;c;def"))
        self.assertEqual((self.outlet.socket.outbox, self.meter.total), (b"abcdef", 6))
        self.assertEqual(self.framing.control, [b"!ping"])

    def test_frames_to_frames(self) -> None:
        """A WebSocket peer is sent one frame, whatever the frames of the other."""
        self.setUp(framed=True)
        self.source.receive(b"before")
        self.assertEqual(self.outlet.written, b"[6]before")
        self.direction.resumeProducing()
        self.read(b"ab;cd")
        self.assertEqual(self.outlet.socket.outbox, b"[4]abcd")

    def test_credit(self) -> None:
        """What the transport had read before is held until the target grants it; no other overtakes it."""
        sent: list[bytes] = []
        credit = Credit(sent.append, lambda: None)
        self.setUp(framed=True, credit=credit)
        self.source.receive(b"before")
        self.direction.resumeProducing()
        credit.grant(4)
        self.read(b"ab;cd")
        self.assertEqual((sent, self.outlet.socket.outbox), ([b"befo"], b""))
        self.assertTrue(self.source.fake.paused)
        credit.grant(3)
        self.assertFalse(self.source.fake.paused)
        self.read(b"abc")
        self.assertEqual((sent, self.outlet.socket.outbox), ([b"befo", b"re"], b"[1]a"))
        self.assertEqual(self.meter.total, 7)

    def test_control_frames_without_credit(self) -> None:
        """Control frames need no credit: those before the next payload are read and handled."""
        self.setUp(framed=True, credit=Credit(lambda _: None, lambda: None))
        self.read(b"!ping;!grant;abc")
        self.assertEqual((self.framing.control, self.framing.handled), ([b"!ping", b"!grant"], 1))
        self.assertFalse(self.source.fake.paused)
        self.read(b"abc")
        self.assertEqual(self.entry.socket.inbox, [b"abc"])
        self.assertTrue(self.source.fake.paused)

    def test_control_frames_only(self) -> None:
        """Without payload nothing is sent, no frame either; the control frames are handled."""
        self.setUp(framed=True)
        self.assertIsNone(self.read(b"!ping;"))
        self.assertEqual((self.outlet.socket.outbox, self.meter.total), (b"", 0))
        self.assertEqual(self.framing.handled, 1)

    def test_control_frames_behind_payload(self) -> None:
        """Control frames are handled when the payload has been sent: they may close the connection."""
        outbox: list[bytes] = []

        def handle() -> None:
            outbox.append(self.outlet.socket.outbox)
            self.direction.stop()

        self.patch(self.framing, "handle_control_frames", handle)
        self.assertIsNone(self.read(b"last words;!close;"))
        self.assertEqual(outbox, [b"last words"])
        self.assertIsNone(self.entry.reader)
        self.assertIsNone(self.outlet.producer)

    def test_not_all_is_taken(self) -> None:
        """What the target's socket does not take its transport sends; pieces are not kept."""
        self.outlet.socket.takes = 3
        self.read(b"ab;cd;ef")
        self.assertEqual((self.outlet.socket.outbox, self.outlet.written), (b"abc", b"def"))
        self.assertEqual(self.meter.total, 6)
        self.assertTrue(self.source.fake.paused)
        self.outlet.socket.takes = 100
        self.direction.resumeProducing()
        self.read(b"gh")
        self.assertEqual(self.outlet.socket.outbox, b"abcgh")

    def test_room(self) -> None:
        """No more is read than the target takes, and never more than the memory holds behind its margin."""
        asked: list[int] = []

        def recv_into(room: memoryview, most: int = 0) -> int:
            asked.append(len(room))
            raise BlockingIOError

        self.patch(self.entry.socket, "recv_into", recv_into)
        self.outlet.rooms = [1000]
        self.direction.read()
        self.outlet.rooms = [1 << 20]
        self.patch(self.direction, "_most", 1 << 20)
        self.patch(self.direction, "_at_once", 1 << 20)
        self.direction.read()
        self.assertEqual(asked, [1000, len(self.resources.view) - MARGIN])

    def test_short_frames(self) -> None:
        """Of a peer with short frames some hundred are read at once, of any kind; of others more and more."""
        sizes = ((b"a;", 100, 200), (b"!;", 100, 200), (b"a" * 9999 + b";", 1 << 17, 1 << 20))
        for frame, least, most in sizes:
            for _ in range(8):
                before = self.meter.total + len(self.framing.control)
                self.read(frame * ((1 << 20) // len(frame)))
            read = self.meter.total + len(self.framing.control) - before
            self.assertGreater(read, least)
            self.assertLess(read, most)

    def test_long_frame(self) -> None:
        """The header of a frame of any length is no reason to read nothing next."""

        class Framing(FakeFraming):
            @property
            def units(self) -> int:
                return 1 << 20

            @units.setter
            def units(self, units: int) -> None: ...

        self.direction._inlet = Framing()
        for _ in range(3):
            self.assertIsNone(self.read(b"a"))

    def test_turn(self) -> None:
        """A turn takes what the memory holds once, whatever is left."""
        largest = len(self.resources.view) - MARGIN
        for _ in range(10):
            self.read(bytes(8 * largest))
            self.outlet.clear = True
        before = self.meter.total
        self.read(bytes(8 * largest))
        self.assertEqual(self.meter.total - before, largest)
        self.assertFalse(self.source.fake.paused)

    def test_turn_of_short_frames(self) -> None:
        """With frames that take longer than their bytes a turn ends sooner."""
        inbox = (b"a" * 1999 + b";") * 1000
        for _ in range(8):
            before = self.meter.total
            self.read(inbox)
            self.outlet.clear = True
        moved = self.meter.total - before
        self.assertGreater(moved, 200_000)
        self.assertLess(moved, 500_000)

    def test_end(self) -> None:
        """The end of the source, and its loss, are for Twisted's transport to handle."""
        self.assertIs(self.read(b""), CONNECTION_DONE)
        self.assertIs(self.read(ConnectionResetError()), CONNECTION_LOST)
        self.assertIsNone(self.read())

    def test_target_lost(self) -> None:
        """Where the target takes nothing any more, the source is not read for it."""
        self.outlet.socket.error = BrokenPipeError()
        self.assertIsNone(self.read(b"abc"))
        self.assertTrue(self.source.fake.paused)
        self.assertEqual(self.meter.total, 0)

    def test_exception(self) -> None:
        """An exception while frames are read is the source's."""

        def read_frames(*_: object) -> Sequence[memoryview]:
            raise ZeroDivisionError

        self.patch(self.framing, "read_frames", read_frames)
        self.assertIsNone(self.read(b"abc"))
        self.assertEqual(self.source.exceptions, 1)
