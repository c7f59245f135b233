"""
Fakes for the client's synchronous tests: a rendezvous server in memory that answers by the rules of the
protocol and can lose its connections, a network in memory, a relay on it, and reactors.
"""

import base64
import hashlib
import json
import queue
import re
import threading
from collections.abc import Callable
from typing import Any, Final

import attrs
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure

from wormhole_client.eventual import EventualQueue
from wormhole_client.machines.state import Journal, WormholeState
from wormhole_client.network.link import LinkOwner, ServerLink
from wormhole_client.wormhole import Wormhole, begin

Said = dict[str, Any]
WAIT_SECONDS: Final = 60.0  # for a thread
WEBSOCKET_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3


def new_state(side: str = "ours") -> WormholeState:
    return WormholeState("app", "ws://fake/v1", side)


@attrs.define
class Recorder:
    """Records the commands that are sent; `take` returns and forgets them."""

    commands: list[Said] = attrs.field(factory=list)

    def send(self, kind: str, **keys: Any) -> None:
        self.commands.append({"type": kind, **keys})

    def take(self) -> list[Said]:
        taken, self.commands = self.commands, []
        return taken


@attrs.define(eq=False)
class FakeLink:
    """One connection to the fake server."""

    server: "FakeServer"
    owner: LinkOwner
    side: str = ""
    listening: str | None = None
    is_open: bool = True

    def send(self, text: bytes) -> None:
        assert self.is_open, "sent on a closed link"
        self.server.received(self, json.loads(text))

    def close(self) -> None:
        if self.is_open:
            self.is_open = False
            self.server.gone(self)
            self.owner.lost()


@attrs.define(eq=False)
class FakeServer:
    """
    Nameplates and mailboxes in state. What it says waits in `outbox` until `deliver`, one message
    at a time, so that a test can cut at every step. `log` holds every command that it was sent.
    """

    welcome: Said = attrs.field(factory=dict)
    up: bool = True
    nameplates: dict[str, dict[str, bool]] = attrs.field(factory=dict)
    mailboxes: dict[str, list[Said]] = attrs.field(factory=dict)
    closed_by: dict[str, set[str]] = attrs.field(factory=dict)
    moods: dict[str, str] = attrs.field(factory=dict)
    links: list[FakeLink] = attrs.field(factory=list)
    outbox: list[tuple[FakeLink, Said]] = attrs.field(factory=list)
    log: list[tuple[str, Said]] = attrs.field(factory=list)
    twist: Callable[[Said], list[Said]] = lambda said: [said]

    def dial(self, owner: LinkOwner) -> Deferred[ServerLink]:
        result: Deferred[ServerLink] = Deferred()
        if not self.up:
            result.errback(ConnectionRefusedError("the fake server is down"))
            return result
        link = FakeLink(self, owner)
        self.links.append(link)
        self.say(link, "welcome", welcome=self.welcome)
        result.callback(link)
        return result

    def say(self, link: FakeLink, kind: str, **keys: Any) -> None:
        for said in self.twist({"type": kind, **keys}):
            self.outbox.append((link, said))

    def deliver(self) -> bool:
        """Deliver one message; return whether there was one."""
        while self.outbox:
            link, said = self.outbox.pop(0)
            if link.is_open:
                link.owner.received(json.dumps(said).encode())
                return True
        return False

    def cut(self) -> None:
        """Lose every connection, and the messages on their way."""
        for link in list(self.links):
            link.close()

    def gone(self, link: FakeLink) -> None:
        self.links.remove(link)

    def received(self, link: FakeLink, said: Said) -> None:
        self.log.append((link.side, said))
        getattr(self, f"do_{said['type'].replace('-', '_')}")(link, said)

    def do_submit_permissions(self, link: FakeLink, said: Said) -> None:
        """Take any permission."""

    def do_bind(self, link: FakeLink, said: Said) -> None:
        link.side = said["side"]

    def do_list(self, link: FakeLink, said: Said) -> None:
        self.say(link, "nameplates", nameplates=[{"id": each} for each in self.nameplates])

    def do_allocate(self, link: FakeLink, said: Said) -> None:
        nameplate = str(len(self.nameplates) + 1)
        self.nameplates.setdefault(nameplate, {})[link.side] = True
        self.say(link, "allocated", nameplate=nameplate)

    def do_claim(self, link: FakeLink, said: Said) -> None:
        sides = self.nameplates.setdefault(said["nameplate"], {})
        if len(sides) == 2 and link.side not in sides:
            self.say(link, "error", error="crowded", orig=said)
        elif sides.get(link.side) is False:
            self.say(link, "error", error="reclaimed", orig=said)
        else:
            sides[link.side] = True
            self.say(link, "claimed", mailbox=f"mailbox-{said['nameplate']}")

    def do_release(self, link: FakeLink, said: Said) -> None:
        sides = self.nameplates.get(said["nameplate"], {})
        if link.side in sides:
            sides[link.side] = False
            if not any(sides.values()):
                del self.nameplates[said["nameplate"]]
        self.say(link, "released")

    def do_open(self, link: FakeLink, said: Said) -> None:
        link.listening = said["mailbox"]
        for message in self.mailboxes.setdefault(said["mailbox"], []):
            self.say(link, "message", **message)

    def do_add(self, link: FakeLink, said: Said) -> None:
        assert link.listening is not None, "add before open"
        message = {"side": link.side, "phase": said["phase"], "body": said["body"], "id": None}
        self.mailboxes[link.listening].append(message)
        for each in self.links:
            if each.listening == link.listening:
                self.say(each, "message", **message)

    def do_close(self, link: FakeLink, said: Said) -> None:
        link.listening = None
        self.moods[link.side] = said["mood"]
        closed = self.closed_by.setdefault(said["mailbox"], set())
        closed.add(link.side)
        if len(closed) == 2:
            self.mailboxes.pop(said["mailbox"], None)
        self.say(link, "closed")


@attrs.define(eq=False)
class World:
    """A fake server, a clock, and wormholes on them."""

    server: FakeServer = attrs.field(factory=FakeServer)
    clock: Clock = attrs.field(factory=Clock)

    def wormhole(
        self, side: str, journal: Journal | None = None, state: str | None = None
    ) -> Wormhole:
        start = WormholeState.load(state) if state is not None else new_state(side)
        boss, observers = begin(
            start,
            self.clock,
            dial=self.server.dial,
            journal=journal,
            eventual=EventualQueue(self.clock),
        )
        return Wormhole(boss, observers)

    def settle(self) -> None:
        """Deliver every message, without letting time pass."""
        self.clock.advance(0)
        while self.server.deliver():
            self.clock.advance(0)

    def wait(self, seconds: float = 60.0) -> None:
        """Let time pass; by default enough for any reconnect."""
        self.clock.advance(seconds)
        self.settle()


class FakeTransport(StringTransport):
    """A transport in state, which can be aborted."""

    aborted = False

    def abortConnection(self) -> None:
        self.aborted = True
        self.loseConnection()

    def unregisterProducer(self) -> None:
        """Unregister the producer; as with real transports, there may be none."""
        self.producer = None


@attrs.define
class FakeAttempt:
    """One connection attempt, which the test lets succeed or fail."""

    address: tuple[str, int]
    factory: Any
    result: Deferred[Any]
    cancelled: bool = False
    protocol: Any = None

    def succeed(self) -> FakeTransport:
        transport = FakeTransport()
        protocol = self.factory.buildProtocol(None)
        protocol.makeConnection(transport)
        self.protocol = protocol
        self.result.callback(protocol)
        return transport


@attrs.define
class FakeNetwork:
    """A network that records the connection attempts."""

    direct: bool = True
    dialed: list[FakeAttempt] = attrs.field(factory=list)

    def endpoint(self, host: str, port: int) -> Any:
        net = self

        class Endpoint:
            def connect(self, factory: Any) -> Deferred[Any]:
                def cancel(_: Deferred[Any]) -> None:
                    attempt.cancelled = True

                attempt = FakeAttempt((host, port), factory, Deferred(cancel))
                net.dialed.append(attempt)
                return attempt.result

        return Endpoint()

    def addresses(self) -> list[tuple[str, int]]:
        return [attempt.address for attempt in self.dialed]


def upgrade(attempt: FakeAttempt, *messages: bytes) -> FakeTransport:
    """
    Answer the WebSocket handshake of a client as a server does, with text messages behind it.

    :return: the client's transport, without the handshake.
    """
    transport = attempt.succeed()
    key = re.search(rb"Sec-WebSocket-Key: (\S+)", transport.value())
    assert key is not None
    transport.clear()
    accept = base64.b64encode(hashlib.sha1(key[1] + WEBSOCKET_GUID).digest())
    head = b"HTTP/1.1 101 Switching Protocols\r\nServer: fake\r\nUpgrade: websocket\r\n"
    head += b"Connection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    attempt.protocol.dataReceived(head + b"".join(map(text_frame, messages)))
    return transport


def text_frame(message: bytes) -> bytes:
    """Make the frame of a short text message of a server."""
    return bytes([0x81, len(message)]) + message


class FakeRelay:
    """Joins two connection attempts, as a transit relay does."""

    def __init__(self, first: FakeAttempt, second: FakeAttempt) -> None:
        self.attempts = [first, second]
        self.transports = [attempt.succeed() for attempt in self.attempts]
        for attempt, transport in zip(self.attempts, self.transports, strict=True):
            assert transport.value().startswith(b"please relay "), transport.value()
            transport.clear()
            attempt.protocol.dataReceived(b"ok\n")

    def run(self) -> None:
        """Pass bytes both ways, and let producers produce, until nothing more happens."""
        while self.run_once():
            pass

    def run_once(self) -> bool:
        """Let each end's producer produce once, and pass what has come; return whether anything has."""
        return any([self._pass(0, 1), self._pass(1, 0)])

    def _pass(self, source: int, target: int) -> bool:
        transport = self.transports[source]
        if transport.producer is not None and not transport.streaming:
            transport.producer.resumeProducing()
        data = transport.value()
        transport.clear()
        if data:
            self.attempts[target].protocol.dataReceived(data)
        return bool(data)


class SynchronousReactor(Clock):
    """A clock whose thread pool runs everything at once, in the calling thread."""

    def getThreadPool(self) -> "SynchronousReactor":  # noqa: N802 - Twisted's
        """Be the thread pool, too."""
        return self

    def callInThreadWithCallback(  # noqa: N802 - Twisted's
        self, on_result: Callable[[bool, Any], None], call: Callable[..., Any], *args: Any
    ) -> None:
        """Make a call and report its result."""
        try:
            result = call(*args)
        except Exception:
            on_result(False, Failure())
        else:
            on_result(True, result)

    def callFromThread(self, call: Callable[..., Any], *args: Any) -> None:
        """Make a call."""
        call(*args)


class PromptReactor(SynchronousReactor):
    """A reactor whose calls from threads the test makes, one by one."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: queue.Queue[Callable[[], None]] = queue.Queue()

    def callFromThread(self, call: Callable[..., Any], *args: Any) -> None:
        """Keep a call of another thread for the test."""
        if threading.current_thread() is threading.main_thread():
            call(*args)
        else:
            self.threads.put(lambda: call(*args))

    def run_call(self) -> None:
        """Wait for a call from a thread, and make it."""
        self.threads.get(timeout=WAIT_SECONDS)()


class UnresolvingReactor(MemoryReactorClock):
    """A reactor in memory that finds no address for any name."""

    def __init__(self) -> None:
        super().__init__()
        resolver: Any = self
        self.installNameResolver(resolver)

    def resolveHostName(self, receiver: Any, *_: object, **__: object) -> Any:  # noqa: N802 - Twisted's
        """Find nothing, in a later turn."""
        receiver.resolutionBegan(self)
        self.callLater(0, receiver.resolutionComplete)
        return receiver


class ResolvingReactor(UnresolvingReactor):
    """A reactor in memory that finds the same address for every name, and records who connects to it."""

    def resolveHostName(  # noqa: N802 - Twisted's
        self,
        receiver: Any,
        *_: object,
        portNumber: Any = 0,  # noqa: N803 - Twisted's
        **__: object,
    ) -> Any:
        """Find an address, in a later turn."""
        receiver.resolutionBegan(self)
        self.callLater(0, receiver.addressResolved, IPv4Address("TCP", "192.0.2.1", portNumber))
        self.callLater(0, receiver.resolutionComplete)
        return receiver

    def take_attempts(self) -> list[FakeAttempt]:
        """Take the connection attempts that were made since the last call."""
        taken = [
            FakeAttempt((host, port), factory, Deferred())
            for host, port, factory, *_ in self.tcpClients
        ]
        self.tcpClients.clear()
        return taken
