"""The splice link, and the choice of the link for a pair."""

from twisted.trial.unittest import SynchronousTestCase

from tests.transit_relay.fakes import FakeObserver
from tests.transit_relay.links.fakes import FakeBuddy, FakeDescriptor, FakeFraming
from transit_relay.link import Link, Meter
from transit_relay.links.pipe import RefusedError
from transit_relay.links.splice import SpliceLinkFactory
from transit_relay.observer import LinkKind

MIB = 1 << 20


class SpliceCase(SynchronousTestCase):
    """Two buddies with sockets in memory."""

    def setUp(self) -> None:
        self.observer = FakeObserver()
        self.make_link = SpliceLinkFactory(4096, self.observer)
        self.first, self.second = FakeBuddy(), FakeBuddy()
        self.first_socket, self.second_socket = FakeDescriptor(), FakeDescriptor()
        self.first.fake.socket = self.first_socket.real
        self.second.fake.socket = self.second_socket.real
        self.forth, self.back = Meter(lambda _: None), Meter(lambda _: None)

    def link(self) -> Link:
        return self.make_link(self.first, self.forth, self.second, self.back)

    def start(self) -> Link:
        """A link that has started; both transports have sent everything."""
        link = self.link()
        link.start()
        for descriptor in (self.first_socket, self.second_socket):
            assert descriptor.producer is not None
            descriptor.producer.resumeProducing()
        return link

    def read(self, descriptor: FakeDescriptor, data: bytes) -> None:
        """Let `data` arrive."""
        descriptor.socket.inbox.append(data)
        assert descriptor.reader is not None
        self.assertIsNone(descriptor.reader())


class SpliceLinkTests(SpliceCase):
    """`SpliceLink`."""

    def test_both_ways(self) -> None:
        """What arrives for one is sent to the other, and each direction is counted by itself."""
        self.start()
        self.read(self.first_socket, b"there")
        self.read(self.second_socket, b"and back")
        self.assertEqual(self.second_socket.socket.outbox, b"there")
        self.assertEqual(self.first_socket.socket.outbox, b"and back")
        self.assertEqual((self.forth.total, self.back.total), (5, 8))

    def test_finish(self) -> None:
        """Both transports read by themselves again, and both connections are finished."""
        self.start().finish()
        for descriptor in (self.first_socket, self.second_socket):
            self.assertIsNone(descriptor.reader)
            self.assertIsNone(descriptor.producer)
        self.assertTrue(self.first.finished and self.second.finished)


class SpliceLinkFactoryTests(SpliceCase):
    """`SpliceLinkFactory`."""

    def test_sockets(self) -> None:
        """Two buddies with sockets get a splice link."""
        self.assertIs(self.link().kind, LinkKind.SPLICE)

    def test_no_socket(self) -> None:
        """A buddy without a socket, on either side, means a producer link."""
        self.first.fake.socket = None
        self.assertIs(self.link().kind, LinkKind.PRODUCER)
        self.first.fake.socket, self.second.fake.socket = self.first_socket.real, None
        link = self.link()
        self.assertIs(link.kind, LinkKind.PRODUCER)
        link.start()
        self.first.receive(b"there")
        self.second.receive(b"and back")
        self.assertEqual((self.first.fake.sent, self.second.fake.sent), (b"and back", b"there"))
        self.assertEqual((self.forth.total, self.back.total), (5, 8))

    def test_frames(self) -> None:
        """A buddy with frames is sent frames, and its own are read from the socket."""
        framing = self.second.fake.framing = FakeFraming()
        self.start()
        self.read(self.first_socket, b"abc")
        self.assertEqual(self.second_socket.socket.outbox, b"[3]abc")
        self.second.receive(b"read before")
        self.assertEqual(self.first_socket.written, b"read before")
        self.first_socket.clear = True
        self.read(self.second_socket, b"abc;!ping;")
        self.assertEqual(self.first_socket.socket.outbox, b"abc")
        self.assertEqual(framing.control, [b"!ping"])

    def test_open(self) -> None:
        """The pipe can be made early; without one that is refused."""
        with self.assertRaises(RefusedError):
            self.make_link.open()
        make_link = SpliceLinkFactory(MIB, self.observer)
        make_link.open()
        self.assertEqual(self.observer.pipe_bytes, MIB)
        make_link.close()
        self.assertEqual(self.observer.pipe_bytes, 0)
