"""
Containment in the relay: every method raises once under load, one pair ends at most, and all else goes on.

The methods are found by inspection, so one that is added later is tested as well. Sockets and pipes are real;
the clock is the test's, and one thread has both the relay and its clients.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import itertools
import pkgutil
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.epollreactor import EPollReactor
from twisted.trial.unittest import SynchronousTestCase

import transit_relay
import transit_relay.links
from tests.transit_relay.fakes import FakeObserver, handshake, make_relay
from tests.transit_relay.frames import BINARY, CLOSE, PING, REQUEST, TEXT, close, frame, parse
from transit_relay.credit import SUBPROTOCOL
from transit_relay.links.producer import ProducerLink
from transit_relay.links.splice import SpliceLinkFactory
from transit_relay.tcp import TransitFactory
from transit_relay.websocket import TransitWebSocketFactory

_MIB: Final = 1 << 20
_STALLED: Final = 8 * _MIB  # bytes for a client that reads nothing for a while


class Injected(Exception):
    """What nobody foresaw."""


def methods() -> Iterator[tuple[type, str]]:
    """Every method of every class of the relay, and of an observer."""
    for package in (transit_relay, transit_relay.links):
        for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            for owner in vars(importlib.import_module(found.name)).values():
                if inspect.isclass(owner) and owner.__module__ == found.name:
                    for name, member in vars(owner).items():
                        if inspect.isfunction(member):
                            yield owner, name
    for name, member in vars(FakeObserver).items():
        if inspect.isfunction(member) and name != "__init__":
            yield FakeObserver, name


def name_of(owner: type, name: str) -> str:
    """A method, as the sets below and the failures name it."""
    return f"{owner.__module__}.{owner.__qualname__}.{name}"


class Client:
    """
    A peer whose socket never blocks.

    :ivar got: the bytes that have arrived, without frames.
    :ivar reads: whether it takes what it is sent.
    :ivar ended: whether its connection is over.
    :ivar paired: whether it was told that it has a buddy.
    """

    def __init__(
        self, port: int, websocket: bool, *, window: int = 0, credited: bool = False
    ) -> None:
        self.websocket = websocket
        self.got = b""
        self.reads = True
        self.ended = False
        self.paired = False
        self._out = bytearray()
        self._in = b""
        self._open = not websocket
        self.socket = socket.socket()
        if window:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setblocking(False)
        if websocket:
            ask = b"Sec-WebSocket-Protocol: %s\r\n\r\n" % SUBPROTOCOL.encode()
            self.send_raw(REQUEST[:-2] + ask if credited else REQUEST)

    def send(self, data: bytes) -> None:
        """Send bytes, on WebSocket as a message."""
        self.send_raw(frame(data) if self.websocket else data)

    def send_raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._out += data

    def turn(self) -> None:
        """Write and read what is possible now."""
        try:
            with contextlib.suppress(BlockingIOError):
                while self._out:
                    del self._out[: self.socket.send(self._out)]
            with contextlib.suppress(BlockingIOError):
                while self.reads and not self.ended:
                    data = self.socket.recv(_MIB)
                    self.ended = not data
                    self._in += data
        except OSError:
            self.ended = True
        if self._in:
            self._parse()
        if self.ended:
            self.close()

    def close(self) -> None:
        """Close the connection."""
        self.ended = True
        self._out.clear()
        self.socket.close()

    def _parse(self) -> None:
        if not self._open:
            _, blank, rest = self._in.partition(b"\r\n\r\n")
            if not blank:
                return
            self._open, self._in = True, rest
        if not self.websocket:
            self.got, self._in = self.got + self._in, b""
            return
        found, self._in = parse(self._in)
        for opcode, payload in found:
            if opcode == BINARY:
                self.got += payload
            elif opcode == CLOSE:
                self.send_raw(close())


class Load:
    """A relay and clients that keep it busy."""

    def __init__(self, *, splice: bool) -> None:
        self.now = 1000.0
        self.observer = FakeObserver()
        self.reactor: Any = EPollReactor()
        self.reactor.seconds = lambda: self.now
        self.links = SpliceLinkFactory(_MIB, self.observer)
        make_link = self.links if splice else ProducerLink
        self.relay = make_relay(self.reactor, self.observer, make_link=make_link)
        self.ports = [
            self.reactor.listenTCP(0, factory, interface="127.0.0.1")
            for factory in (
                TransitFactory(self.relay),
                TransitWebSocketFactory(self.relay, self.reactor),
            )
        ]
        self.own = set(self.reactor.getReaders())
        self.clients: list[Client] = []
        self.pairs: list[tuple[Client, Client]] = []
        self.stayers: list[Client] = []
        self.tokens = 0

    def turn(self, turns: int = 8) -> None:
        """Let everything happen that can happen without time passing."""
        for _ in range(turns):
            for client in self.clients:
                if not client.ended:
                    client.turn()
            for _ in range(3):
                self.reactor.iterate(0)

    def until(self, condition: Callable[[], bool]) -> bool:
        """Let everything happen until `condition`, the kernel's timers included; whether it was met."""
        for number in range(4000):
            if condition():
                return True
            if number > 1000:
                time.sleep(0.001)  # a closed window of TCP is looked at again after 200 ms and more
            self.turn(1)
        return condition()

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds
        self.turn(3)

    def connect(
        self, websocket: bool, *pieces: bytes, window: int = 0, credited: bool = False
    ) -> Client:
        """Connect a client, which sends `pieces`."""
        port = self.ports[websocket].getHost().port
        client = Client(port, websocket, window=window, credited=credited)
        self.clients.append(client)
        for piece in pieces:
            self.turn(3)
            client.send(piece)
        self.turn(3)
        return client

    def token(self) -> bytes:
        """A token of its own."""
        self.tokens += 1
        return b"%064x" % self.tokens

    def pair(
        self, first: bool, second: bool, *, window: int = 0, credited: bool = False
    ) -> tuple[Client, Client]:
        """Connect two clients that are paired; each is on WebSocket or not."""
        token = self.token()
        pair = (
            self.connect(first, handshake(0, token)),
            self.connect(second, handshake(1, token), window=window, credited=credited),
        )
        self.turn(3)
        for client in pair:
            client.paired = client.got == b"ok\n"
        self.pairs.append(pair)
        return pair

    def works(self, pair: tuple[Client, Client], size: int = 1000) -> bool:
        """Whether bytes go both ways between two clients."""
        for client in pair:
            client.got = b""
        for number, client in enumerate(pair):
            client.send(b"%d" % number * size)
        self._until_moved(size, pair, pair)
        return pair[0].got == b"1" * size and pair[1].got == b"0" * size

    def begin(self) -> None:
        """Have pairs of all kinds before anything raises."""
        for kinds in ((False, False), (True, False), (True, True)):
            self.pair(*kinds)
        self.stalled = self.pair(False, False, window=8192)
        self.stalled_web = self.pair(False, True, window=8192)
        self.granting = self.pair(True, True, credited=True)
        self.granting[1].send_raw(frame(b"1200", TEXT))
        for pair in self.pairs:
            if not self.works(pair):
                raise AssertionError("a pair does not work")

    def _until_moved(
        self, size: int, pair: tuple[Client, Client], receivers: tuple[Client, ...]
    ) -> None:
        self.until(
            lambda: (
                all(len(client.got) >= size for client in receivers)
                or any(client.ended for client in pair)
            )
        )

    def go_on(self) -> None:
        """Have everything happen that can happen to connections."""
        sender, receiver = self.granting
        sender.send(bytes(1000))
        self.turn(3)
        sender.send_raw(frame(b"", PING))
        receiver.send_raw(frame(b"10000000", TEXT))
        for pair in list(self.pairs):
            self.works(pair, 100_000)
        for sender, receiver in (self.stalled, self.stalled_web):
            receiver.reads, receiver.got = False, b""
            sender.send(bytes(_STALLED))
            self.turn(8)
            receiver.send_raw(frame(b"x", PING) if receiver.websocket else b"x")
            self.turn(3)
            receiver.reads = True
            self._until_moved(_STALLED, (sender, receiver), (receiver,))
        self._be_refused()
        self._leave()
        for kinds in ((False, False), (True, False), (True, True)):
            self.pair(*kinds)
        silent, opening = self.connect(False), self.connect(True)
        waiting = self.connect(False, handshake(0, self.token()))
        for _ in range(3):
            self.wait(31.0)
            for client in self.clients:
                if client.websocket and not client.ended:
                    client.send_raw(frame(b"", PING))
            self.turn(3)
        for client in (silent, opening, waiting):
            client.close()
        self.turn(3)

    def _be_refused(self) -> None:
        """Break every rule."""
        self.connect(False, b"GET / HTTP/1.1\r\n")
        self.connect(False, handshake(0, self.token()) + b"impatient")
        self.connect(False, handshake(0, self.token()), b"too early")
        self.connect(True, b"nonsense")
        self.connect(True).send_raw(frame(b"text", TEXT))
        self.connect(True).send_raw(b"\xff\xff")
        self.connect(True, handshake()[:-1])
        self.connect(True, credited=True).send_raw(frame(b"1", TEXT))
        token = self.token()
        for side in (0, 0, 1):
            self.connect(False, handshake(side, token)[:50], handshake(side, token)[50:])
        self.turn(3)

    def _leave(self) -> None:
        """Have pairs end in every way."""
        for kinds in ((False, False), (True, False), (False, True)):
            for how in ("close", "half-close", "close frame", "goes on"):
                leaver, stayer = self.pair(*kinds)
                self.pairs.pop()
                if how == "half-close":
                    with contextlib.suppress(OSError):  # it may be closed because of what raised
                        leaver.socket.shutdown(socket.SHUT_WR)
                elif how == "close frame" and leaver.websocket:
                    leaver.send_raw(close())
                elif how == "goes on":
                    stayer.reads = False
                    leaver.send(bytes(100_000))
                    self.turn(3)
                    leaver.close()
                    stayer.send(bytes(2 * _MIB))
                else:
                    leaver.close()
                self.turn(3)
                stayer.reads = True
                self.stayers.append(stayer)
        leaver, stayer = self.pair(False, True, credited=True)
        self.pairs.pop()
        leaver.send(b"granted later")
        leaver.close()
        self.turn(3)
        stayer.send_raw(frame(b"100", TEXT))
        self.stayers.append(stayer)
        self.turn(3)

    def stop(self) -> Deferred[None]:
        """Close the relay while clients are there, then the clients."""
        done = self.relay.close_all()
        self.turn()
        for _ in range(4):
            self.wait(61.0)
        for client in self.clients:
            client.close()
        self.until(lambda: not self.left())
        return done

    def left(self) -> list[str]:
        """What is left of connections when all are gone."""
        sockets = {*self.reactor.getReaders(), *self.reactor.getWriters()} - self.own
        counts = {
            "connections": len(self.relay._connections),
            "waiting": len(self.relay._pairing._tokens),
            "timers": len(self.reactor.getDelayedCalls()),
            "sockets": len(sockets),
            "in a state": sum(abs(count) for count in attrs.astuple(self.relay.live)),
        }
        return [f"{count} {what}" for what, count in counts.items() if count]

    def close(self) -> None:
        """Close every descriptor."""
        for client in self.clients:
            client.socket.close()
        for port in self.ports:
            port.stopListening()
        self.turn(2)
        with contextlib.suppress(Injected):
            self.links.close()
        for reader in self.reactor.removeAll():
            reader.connectionLost(None)
        self.reactor.waker.connectionLost(None)
        self.reactor._poller.close()


SKIPPED = {
    # The application calls these, and gets what they raise.
    "transit_relay.relay.Relay.close_all",
    "transit_relay.relay.Relay._stop",
    "transit_relay.relay.ConnectionCounts.__init__",
    # There is nothing in them but the containment of what they call.
    "transit_relay.tcp.TransitProtocol.connectionMade",
    "transit_relay.connection.Connection.close",
    # They do nothing.
    "transit_relay.links.direction.Direction.stopProducing",
    "transit_relay.links.producer.ProducerDirection.stopProducing",
    # These forget a connection: there is nothing in them but that, or the call of the next.
    "transit_relay.tcp.TransitProtocol.connectionLost",
    "transit_relay.websocket.TransitWebSocket.lost",
    "transit_relay.connection.Connection.transport_lost",
    "transit_relay.relay.Relay.remove",
}

UNCOUNTED = {
    # These contain what others raise. Twisted logs what they raise, and closes the connection.
    "transit_relay.tcp.TransitFactory.buildProtocol",
    "transit_relay.tcp.TransitProtocol.__init__",
    "transit_relay.tcp.TransitProtocol.dataReceived",
    "transit_relay.tcp.TransitProtocol.readConnectionLost",
    "transit_relay.tcp.TransitProtocol.writeConnectionLost",
    # The scheduler logs what this raises, and goes on.
    "transit_relay.websocket.TransitWebSocket._read_on",
    "transit_relay.websocket.TransitWebSocketFactory.buildProtocol",
    "transit_relay.websocket.TransitWebSocket.__init__",
    "transit_relay.websocket.TransitWebSocket.connectionMade",
    "transit_relay.connection.Connection.flushed",
    "transit_relay.connection.Connection.peer_left",
    "transit_relay.links.direction.Direction.read",
    "transit_relay.links.direction.Direction.resumeProducing",
    "transit_relay.links.producer.ProducerDirection.resumeProducing",
    # Timers call these; they contain what others raise.
    "transit_relay.pair.Pair._check",
    "transit_relay.connection.Connection._abort",
}


def wrap(owner: type, name: str, before: Callable[[], None]) -> Callable[[], None]:
    """Have `before` called at the beginning of a method; return what undoes that."""
    original = getattr(owner, name)

    @functools.wraps(original)
    def method(*args: Any, **kwargs: Any) -> Any:
        before()
        return original(*args, **kwargs)

    setattr(owner, name, method)
    return functools.partial(setattr, owner, name, original)


@functools.cache
def reached(*, splice: bool) -> dict[str, int]:
    """How often the methods are called by the load, which ends as it should."""
    load = Load(splice=splice)
    load.begin()
    calls: dict[str, int] = {}

    def count(where: str) -> None:
        calls[where] = calls.get(where, 0) + 1

    undo = [wrap(*key, functools.partial(count, name_of(*key))) for key in methods()]
    load.go_on()
    wrong = [f"{pair} does not work" for pair in load.pairs if not load.works(pair)]
    if not load.until(lambda: all(client.ended for client in load.stayers)):
        wrong.append("a client is not told of the end")
    stopped: list[object] = []
    load.stop().addCallback(stopped.append)
    for each in undo:
        each()
    wrong += load.left()
    load.close()
    if wrong or stopped != [None]:
        raise AssertionError(wrong or "does not stop")
    return calls


class ContainmentTests(SynchronousTestCase):
    """Whatever raises in the relay ends one pair at most. Most tests are added below, one for a method."""

    def try_method(self, owner: type, name: str, raising: set[int], *, splice: bool) -> list[str]:
        """Have calls of a method raise under load, by number; return what is wrong then."""
        load = Load(splice=splice)
        load.begin()
        calls = raised = 0

        def fail() -> None:
            nonlocal calls, raised
            calls += 1
            if calls in raising:
                raised += 1
                raise Injected(name)

        undo = wrap(owner, name, fail)
        self.addCleanup(undo)
        wrong = []
        load.go_on()
        broken = [pair for pair in load.pairs if not load.works(pair)]
        if len(broken) > raised:
            wrong.append(f"{len(broken)} pairs ended")
        load.wait(61.0)
        left_behind = [*load.stayers, *itertools.chain.from_iterable(broken)]
        if not load.until(lambda: all(client.ended for client in left_behind if client.paired)):
            wrong.append("a client is not told of the end")
        done: list[object] = []
        load.stop().addCallback(done.append)
        if not done:
            wrong.append("does not stop")
        undo()
        wrong += load.left()
        logged, counted = len(self.flushLoggedErrors(Injected)), load.observer.errors
        # Our own calls of an uncounted method are contained and counted like any other.
        least = 0 if name_of(owner, name) in UNCOUNTED else raised
        if logged != raised or not least <= counted <= raised:
            wrong.append(f"raised {raised}, logged {logged}, counted {counted}")
        others = self.flushLoggedErrors()
        wrong += [f"then {failure.value!r}" for failure in others]
        load.close()
        return wrong

    def check(self, owner: type, name: str, *, splice: bool) -> None:
        """Have the first call of a method raise, and one in the middle, if the load reaches it."""
        count = reached(splice=splice).get(name_of(owner, name), 0)
        if count:
            raising = {1, count // 2 or 1}
            wrong = self.try_method(owner, name, raising, splice=splice)
            self.assertEqual(wrong, [], f"calls {sorted(raising)} of {count}")

    def test_splice(self) -> None:
        """The load calls most methods, where bytes go from socket to socket."""
        self.assertGreater(len(reached(splice=True)), 100)

    def test_producer(self) -> None:
        """The load calls the methods of the link where bytes go through Twisted's transports."""
        module = f"{ProducerLink.__module__}."
        calls = [where for where in reached(splice=False) if where.startswith(module)]
        self.assertGreater(len(calls), 5)


def _add_tests() -> None:
    for owner, name in methods():
        where = name_of(owner, name)
        if where not in SKIPPED:
            splice = owner.__module__ != ProducerLink.__module__

            def test(
                case: ContainmentTests, owner: type = owner, name: str = name, splice: bool = splice
            ) -> None:
                case.check(owner, name, splice=splice)

            setattr(ContainmentTests, f"test_{where}", test)


_add_tests()
