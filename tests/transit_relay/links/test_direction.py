"""One direction of a splice link, between sockets in memory."""

import attrs
from twisted.internet.interfaces import IPullProducer
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.transit_relay.fakes import LIMITS, FakeObserver
from tests.transit_relay.links.fakes import FakeBuddy, FakeDescriptor, FakeFraming
from transit_relay.credit import Credit
from transit_relay.link import Meter
from transit_relay.links.direction import StreamDirection
from transit_relay.links.mover import SIZE
from transit_relay.links.pipe import Pipe
from transit_relay.links.resources import LinkResources
from transit_relay.observer import Fallback
from transit_relay.rates import RateLimiter
from wormhole_limits.bounds import BoundObserver

KIB = 1024
FIRST = 64 * KIB
NO_PIPE = 1


class DirectionCase(SynchronousTestCase):
    """A direction that has started, between a TCP peer and another."""

    framed = False
    kind = StreamDirection

    def setUp(self) -> None:
        self.observer = FakeObserver()
        self.resources = LinkResources(NO_PIPE, self.observer)
        self.source, self.target = FakeBuddy(), FakeBuddy()
        self.entry, self.outlet = FakeDescriptor(), FakeDescriptor()
        if self.framed:
            self.target.fake.framing = FakeFraming()
        self.counts: list[int] = []
        self.meter = Meter(self.counts.append)
        self.direction = self.kind(
            self.source,
            self.entry.real,
            self.target,
            self.outlet.real,
            self.meter,
            self.resources,
        )
        self.direction.start()

    @property
    def waits(self) -> bool:
        """Whether the source is not read because of the target."""
        self.assertEqual(self.source.fake.paused, self.target.fake.congested)
        return self.source.fake.paused

    def move(self, *inbox: bytes | OSError) -> Exception | None:
        """Let the target take bytes, and the source have `inbox`; then read once."""
        self.direction.resumeProducing()
        self.entry.socket.inbox = list(inbox)
        return self.direction.read()

    def largest(self, most: int) -> None:
        """Move bytes until `most` may be moved at once."""
        while self.outlet.limits[-1] < most:
            self.move(bytes(4 * SIZE))
            self.outlet.clear = True


class StartTests(DirectionCase):
    """Before the first byte, and after the last."""

    def test_exception(self) -> None:
        """A source that cannot be read again is closed, and not its target."""
        self.patch(self.source.fake, "resume", lambda: 1 // 0)
        self.direction.resumeProducing()
        self.assertEqual((self.source.exceptions, self.target.exceptions), (1, 0))

    def test_start(self) -> None:
        """It reads in the transport's place, but only once the target's transport has sent everything."""
        self.assertEqual(self.entry.reader, self.direction.read)
        self.assertIs(self.outlet.producer, self.direction)
        self.assertEqual((self.outlet.limits, self.outlet.waits), ([FIRST], 1))
        self.assertTrue(self.waits)
        self.direction.resumeProducing()
        self.assertFalse(self.waits)

    def test_producer(self) -> None:
        """It is a pull producer that outlives the loss of its consumer."""
        verifyObject(IPullProducer, self.direction)
        self.direction.stopProducing()
        self.assertFalse(self.target.fake.aborted or self.source.fake.aborted)

    def test_not_clear(self) -> None:
        """It takes nothing while the target's transport has bytes to send, which come first."""
        self.direction.resumeProducing()
        self.outlet.write(b"ok")
        self.entry.socket.inbox = [b"abc"]
        self.assertIsNone(self.direction.read())
        self.assertEqual(self.entry.socket.inbox, [b"abc"])
        self.assertTrue(self.waits)

    def test_stop(self) -> None:
        """Both transports are left as they were, and the source is held up no longer."""
        self.direction.stop()
        self.assertIsNone(self.entry.reader)
        self.assertIsNone(self.outlet.producer)
        self.assertFalse(self.target.fake.congested)

    def test_resumed_again(self) -> None:
        """A target that takes more does not start a source that was paused for another reason."""
        self.direction.resumeProducing()
        self.source.fake.pause()
        self.direction.resumeProducing()
        self.assertTrue(self.source.fake.paused)


class CreditTests(DirectionCase):
    """A target whose peer grants bytes."""

    framed = True

    def setUp(self) -> None:
        super().setUp()
        self.credit = self.target.fake.credit = Credit(lambda _: None, lambda: None)
        self.direction = self.kind(
            self.source,
            self.entry.real,
            self.target,
            self.outlet.real,
            self.meter,
            self.resources,
        )
        self.direction.start()

    def test_no_credit(self) -> None:
        """Nothing is taken from the source, which is not read until a grant; the target is not congested."""
        self.move(b"abc")
        self.assertEqual(self.entry.socket.inbox, [b"abc"])
        self.assertEqual((self.source.fake.paused, self.target.fake.congested), (True, False))
        waits = self.outlet.waits
        self.direction.resumeProducing()
        self.assertTrue(self.source.fake.paused)
        self.assertEqual(self.outlet.waits, waits)
        self.credit.grant(1)
        self.assertFalse(self.source.fake.paused)

    def test_end(self) -> None:
        """The end of the source is found without credit, as is its loss; while it is idle it is watched."""
        self.assertIsNone(self.move())
        self.assertFalse(self.source.fake.paused)
        self.assertIs(self.move(b""), CONNECTION_DONE)
        self.assertIs(self.move(ConnectionResetError()), CONNECTION_LOST)

    def test_some_credit(self) -> None:
        """No more is taken than was granted, in however many turns; a header costs nothing."""
        self.credit.grant(5)
        self.move(b"abc", b"def")
        self.assertEqual((self.outlet.socket.outbox, self.credit.left), (b"[3]abc", 2))
        self.direction.read()
        self.assertEqual(self.outlet.socket.outbox, b"[3]abc[2]de")
        self.direction.read()
        self.assertEqual((self.entry.socket.inbox, self.meter.total), ([b"f"], 5))
        self.assertTrue(self.source.fake.paused)

    def test_congested(self) -> None:
        """A grant does not start the source while the target's socket takes nothing."""
        self.assertTrue(self.target.fake.congested)
        self.credit.grant(1)
        self.assertTrue(self.source.fake.paused)
        self.direction.resumeProducing()
        self.assertFalse(self.source.fake.paused)

    def test_stop(self) -> None:
        """Afterwards a grant starts nothing."""
        self.direction.stop()
        self.source.fake.pause()
        self.credit.grant(1)
        self.assertTrue(self.source.fake.paused)

    def test_exception(self) -> None:
        """A source that cannot be read again after a grant is closed, and not its target."""
        self.move()
        self.patch(self.source.fake, "resume", lambda: 1 // 0)
        self.credit.grant(1)
        self.assertEqual((self.source.exceptions, self.target.exceptions), (1, 0))


class RateTests(DirectionCase):
    """A direction whose rate is limited."""

    def test_rate(self) -> None:
        """No more is taken than the rate allows; the source is read again in time, and not after the end."""
        clock = Clock()
        limiter = RateLimiter(clock, BoundObserver())
        limits = attrs.evolve(LIMITS, pair_rate=100 * KIB)
        self.meter.allowance, _ = limiter.allowances(limits, (0, 0))
        self.move(bytes(300 * KIB))
        self.direction.read()
        self.assertEqual(self.meter.total, 100 * KIB)
        self.assertEqual((self.source.fake.paused, self.target.fake.congested), (True, False))
        clock.advance(0.5)
        self.assertFalse(self.source.fake.paused)
        self.direction.read()
        self.direction.read()
        self.assertEqual(self.meter.total, 150 * KIB)
        self.assertEqual(len(clock.getDelayedCalls()), 1)
        self.direction.stop()
        self.assertEqual(clock.getDelayedCalls(), [])


class MoveTests(DirectionCase):
    """Bytes from one socket to the other."""

    def test_bytes(self) -> None:
        """What arrives is sent and counted; it does not wait for more."""
        self.assertIsNone(self.move(b"abc", b"def"))
        self.assertEqual((self.outlet.socket.outbox, self.meter.total), (b"abc", 3))
        self.assertFalse(self.waits)
        self.assertIsNone(self.direction.read())
        self.assertEqual((self.outlet.socket.outbox, self.meter.total), (b"abcdef", 6))

    def test_nothing(self) -> None:
        """Nothing to read is no end."""
        self.assertIsNone(self.move())
        self.assertFalse(self.waits)

    def test_end(self) -> None:
        """The end of the source, and its loss, are for Twisted's transport to handle."""
        self.assertIs(self.move(b""), CONNECTION_DONE)
        self.assertIs(self.move(ConnectionResetError()), CONNECTION_LOST)

    def test_end_behind_bytes(self) -> None:
        """An end right behind a full read is found in the same turn."""
        self.assertIs(self.move(bytes(FIRST), b""), CONNECTION_DONE)
        self.assertEqual(self.meter.total, FIRST)

    def test_exception(self) -> None:
        """An unexpected exception closes the source's connection, and goes no further."""
        self.patch(self.outlet, "room", lambda _: 1 // 0)
        self.assertIsNone(self.move(b"abc"))
        self.assertEqual((self.source.exceptions, self.target.exceptions), (1, 0))

    def test_no_room(self) -> None:
        """It takes nothing from the source when the target takes nothing, and waits."""
        self.outlet.rooms = [0]
        self.assertIsNone(self.move(b"abc"))
        self.assertEqual((self.entry.socket.inbox, self.outlet.waits), ([b"abc"], 2))
        self.assertTrue(self.waits)
        self.direction.resumeProducing()
        self.assertFalse(self.waits)

    def test_little_room(self) -> None:
        """It takes no more than the target takes."""
        self.outlet.rooms = [2, 0]
        self.assertIsNone(self.move(b"abc"))
        self.assertEqual((self.outlet.socket.outbox, self.entry.socket.inbox), (b"ab", [b"c"]))

    def test_rest(self) -> None:
        """What the target does not take after all goes to its transport, and it waits for that."""
        self.outlet.socket.takes = 2
        self.assertIsNone(self.move(b"abcd", b"e"))
        self.assertEqual((self.outlet.socket.outbox, self.outlet.written), (b"ab", b"cd"))
        self.assertEqual((self.meter.total, self.entry.socket.inbox), (4, [b"e"]))
        self.assertTrue(self.waits)
        self.assertFalse(self.outlet.clear)


class StoppingDirection(StreamDirection):
    """Is stopped by what it takes, as by a close frame."""

    __slots__ = ()

    def _handle_aside(self) -> None:
        self.stop()


class StoppedTests(DirectionCase):
    """A direction that is stopped in the middle of its turn."""

    kind = StoppingDirection

    def test_full_read(self) -> None:
        """It takes nothing more."""
        self.assertIsNone(self.move(bytes(FIRST), b"more"))
        self.assertEqual((self.meter.total, self.entry.socket.inbox), (FIRST, [b"more"]))

    def test_rest(self) -> None:
        """It does not hold up the source, whatever the target did not take."""
        self.outlet.socket.takes = 2
        self.assertIsNone(self.move(b"abcd"))
        self.assertEqual(self.outlet.written, b"cd")
        self.assertFalse(self.waits)


class LostTargetTests(DirectionCase):
    """A target that is lost."""

    def setUp(self) -> None:
        super().setUp()
        self.outlet.socket.error = BrokenPipeError()
        self.result = self.move(b"abc")

    def test_source_is_left_alone(self) -> None:
        """The source is neither closed nor read; it is not the target that holds it up."""
        self.assertIsNone(self.result)
        self.assertTrue(self.source.fake.paused)
        self.assertFalse(self.target.fake.congested)
        self.assertEqual(self.source.exceptions, 0)

    def test_both_lost(self) -> None:
        """When the source is lost as well, nobody reads either, and the pair is closed here."""
        back = StreamDirection(
            self.target,
            self.outlet.real,
            self.source,
            self.entry.real,
            Meter(lambda _: None),
            self.resources,
        )
        back.opposite, self.direction.opposite = self.direction, back
        back.start()
        back.resumeProducing()
        self.entry.socket.error = ConnectionResetError()
        self.outlet.socket.inbox = [b"last words"]
        self.assertFalse(self.source.fake.aborted)
        self.assertIsNone(back.read())
        self.assertTrue(self.source.fake.aborted)

    def test_for_good(self) -> None:
        """It stays so when the target's transport, which knows nothing of it, asks for more."""
        self.target.fake.congested = True
        self.direction.resumeProducing()
        self.assertTrue(self.source.fake.paused)


class AmountTests(DirectionCase):
    """How much is moved at once, and in one turn."""

    def test_doubled(self) -> None:
        """A target that takes everything is given twice as much each time, up to what the mover holds."""
        self.assertIsNone(self.move(bytes(8 * SIZE)))
        self.assertEqual(self.outlet.limits, [FIRST, 2 * FIRST, 4 * FIRST, 8 * FIRST, SIZE])

    def test_half_a_room(self) -> None:
        """Half the limit is enough to double it, and less is not."""
        self.outlet.rooms = [FIRST // 2 - 1]
        self.move(bytes(FIRST // 2 - 1))
        self.assertEqual(self.outlet.limits, [FIRST])
        self.outlet.rooms = [FIRST // 2]
        self.move(bytes(FIRST // 2))
        self.assertEqual(self.outlet.limits, [FIRST, 2 * FIRST])

    def test_source_had_no_more(self) -> None:
        """A source with less than the target takes does not raise the limit."""
        self.move(bytes(FIRST - 1))
        self.assertEqual(self.outlet.limits, [FIRST])

    def test_back(self) -> None:
        """A target that leaves something behind is given as little as at first."""
        self.largest(SIZE)
        self.outlet.socket.takes = 10
        self.move(b"x" * 11)
        self.assertEqual(self.outlet.limits[-1], FIRST)

    def test_little(self) -> None:
        """A read of less than 64 KiB is the last of its turn: the source has no more."""
        self.move(bytes(FIRST - 1), b"x")
        self.assertEqual(self.entry.socket.inbox, [b"x"])
        self.move(bytes(FIRST), b"x")
        self.assertEqual(self.entry.socket.inbox, [])

    def test_room_again(self) -> None:
        """A target that takes little at once is asked again in the same turn: it may have sent it already."""
        self.outlet.rooms = [100, 100, 0]
        self.move(bytes(1000))
        self.assertEqual(self.meter.total, 200)
        self.assertTrue(self.waits)

    def test_turn(self) -> None:
        """A turn takes what the mover says, in as many fills as that takes, whatever is left."""
        self.largest(SIZE)
        for turn in (SIZE, 2 * SIZE):
            self.resources.buffer.turn = turn
            before = self.meter.total
            self.move(bytes(8 * SIZE))
            self.assertEqual(self.meter.total - before, turn)
            self.assertFalse(self.waits)

    def test_rest_of_turn(self) -> None:
        """The rest of a turn that is not worth another read is left to the next."""
        self.resources.buffer.turn = 2 * SIZE
        self.largest(SIZE)
        before = self.meter.total
        self.move(bytes(SIZE), bytes(SIZE - FIRST + 1), bytes(SIZE))
        self.assertEqual(self.meter.total - before, 2 * SIZE - FIRST + 1)


class FramedTargetTests(DirectionCase):
    """A target on WebSocket."""

    framed = True

    def test_header(self) -> None:
        """Each piece has its header, and only the bytes of the source are counted."""
        self.move(b"abc")
        self.assertEqual((self.outlet.socket.outbox, self.meter.total), (b"[3]abc", 3))


class MoverTests(DirectionCase):
    """What the bytes go through."""

    def test_no_pipe(self) -> None:
        """Where the kernel gives no pipe, this process's memory is used, which is reported."""
        self.assertEqual(self.observer.fallbacks, [Fallback.NO_PIPE])

    def test_refused(self) -> None:
        """Where the kernel stops splicing, the memory is used from there on; no byte is lost."""
        pipe = Pipe.make(1 << 20)
        self.direction._mover = pipe
        self.entry.fileno = self.outlet.fileno = -1
        self.addCleanup(pipe.close)
        self.move(b"abc")
        self.move(b"def")
        self.assertEqual((self.outlet.socket.outbox, self.meter.total), (b"abcdef", 6))
        self.assertEqual(self.observer.fallbacks, [Fallback.NO_PIPE, Fallback.REFUSED])
