"""
One exchange: what two clients of the file transfer say to a rendezvous server.

Owns the script and what each side waits for, as the clients in the field do it: the second side
comes when the first has stored its pake (somebody has read the code out by then), the nameplate
is released at the peer's first message, and an answer follows the message that it answers.
"""

import itertools
import time
from collections.abc import Callable
from functools import partial

import attrs

from bench.rendezvous.wire import Connection, Listener, Loop, ServerMessage, text_frame

APP = "lothar.com/wormhole/text-or-file-xfer"

# Each of two: bind, claim, open, five adds (pake, version, three messages), release, close;
# and one allocate.
COMMANDS = 21

# Bodies as long as those of a file transfer, in hex: JSON and, but for the pake, 40 bytes of seal.
_BODIES = {
    phase: "5a" * size
    for phase, size in (("pake", 81), ("version", 100), ("0", 450), ("1", 160), ("2", 100))
}
_ADDS = {
    phase: f'{{"type":"add","phase":"{phase}","body":"{body}","id":"%04x"}}'
    for phase, body in _BODIES.items()
}
_BIND = '{"type":"bind","appid":"%s","side":"%s","client_version":["python","0.24.0"],"id":"%04x"}'

_sides = itertools.count(0xA000000000)
_ids = itertools.count()


def command(text: str) -> bytes:
    """The frame of a command; `text` has one %04x, for its id."""
    return text_frame((text % (next(_ids) & 0xFFFF)).encode())


def bind(side: str) -> bytes:
    """The frame that every client begins with."""
    return text_frame((_BIND % (APP, side, next(_ids) & 0xFFFF)).encode())


def new_side() -> str:
    """A side that no other client of this process has."""
    return f"{next(_sides):010x}"


@attrs.define
class Tally:
    """What the exchanges of a run have done so far. Latencies are in seconds."""

    acks: int = 0
    finished: int = 0
    failed: int = 0
    first_failure: str = ""
    latencies: list[float] = attrs.field(factory=list)


class Exchange:
    """
    Runs by itself once made; `over` is called when it has ended, well or not.

    :param receiver_port: where the second side goes, if not to where the first has gone.
    :param connect: makes a connection of a side.
    """

    def __init__(
        self,
        loop: Loop,
        port: int,
        tally: Tally,
        over: Callable[["Exchange"], None],
        receiver_port: int | None = None,
        connect: Callable[[Loop, int, Listener], Connection] = Connection,
    ) -> None:
        self.tally = tally
        self.progress = time.perf_counter()
        self.sent: dict[str, float] = {}  # side and phase -> when it was added
        self._loop = loop
        self._receiver_port = receiver_port or port
        self._over = over
        self._connect = connect
        self._clients = [self._client(port, nameplate=None)]

    def invite(self, nameplate: str) -> None:
        """The code has been read out: the second side comes."""
        self._clients.append(self._client(self._receiver_port, nameplate))

    def left(self) -> None:
        """A side has gone, having said all."""
        if len(self._clients) == 2 and all(client.gone for client in self._clients):
            self.tally.finished += 1
            self._end()

    def fail(self, why: str) -> None:
        """It went wrong; take both sides away."""
        if not self._clients:
            return
        self.tally.failed += 1
        self.tally.first_failure = self.tally.first_failure or why
        self._end()

    def _client(self, port: int, nameplate: str | None) -> "_Client":
        return _Client(self, partial(self._connect, self._loop, port), nameplate)

    def _end(self) -> None:
        clients, self._clients = self._clients, []
        for client in clients:
            client.connection.abandon()
        self._over(self)


class _Client:
    """One side: the sender, who has no nameplate yet, or the receiver, who has been told."""

    def __init__(
        self,
        exchange: Exchange,
        connect: Callable[[Listener], Connection],
        nameplate: str | None,
    ) -> None:
        self.gone = False
        self._exchange = exchange
        self._tally = exchange.tally
        self._sender = nameplate is None
        self._nameplate = nameplate or ""
        self._side = new_side()
        self._said = False  # `closed` has come: nothing more to wait for
        self.connection = connect(self)

    def opened(self) -> None:
        second = command('{"type":"allocate","id":"%04x"}') if self._sender else self._claim()
        self.connection.send(bind(self._side) + second)

    def received(self, message: ServerMessage) -> None:
        self._exchange.progress = time.perf_counter()
        kind = message.type
        if kind == "ack":
            self._tally.acks += 1
        elif kind == "message":
            self._message(message)
        elif kind == "allocated":
            self._nameplate = message.nameplate
            self.connection.send(self._claim())
        elif kind == "claimed":
            opening = f'{{"type":"open","mailbox":"{message.mailbox}","id":"%04x"}}'
            self.connection.send(command(opening))
            self._add("pake")
        elif kind == "closed":
            self._said = True
            self.connection.close()
        elif kind == "error":
            self._exchange.fail(f"the server says {message.error!r}")

    def dropped(self) -> None:
        self.gone = True
        if self._said:
            self._exchange.left()
        else:
            self._exchange.fail("the server closed a connection before its time")

    def _claim(self) -> bytes:
        return command(f'{{"type":"claim","nameplate":"{self._nameplate}","id":"%04x"}}')

    def _add(self, phase: str) -> None:
        self._exchange.sent[self._side + phase] = time.perf_counter()
        self.connection.send(command(_ADDS[phase]))

    def _message(self, message: ServerMessage) -> None:
        phase = message.phase
        if message.side == self._side:
            if self._sender and phase == "pake":
                self._exchange.invite(self._nameplate)
            return
        if self._sender or phase != "pake":  # the sender's pake waited for the receiver to come
            sent = self._exchange.sent[message.side + phase]
            self._tally.latencies.append(self._exchange.progress - sent)
        if phase == "pake":
            self.connection.send(command('{"type":"release","id":"%04x"}'))
            self._add("version")
        elif phase == "version":
            self._add("0")  # the transit hints
            if self._sender:
                self._add("1")  # the offer
        elif phase == "1":
            self._add("2" if self._sender else "1")  # the answer, and what follows it
        elif phase == "2":
            if not self._sender:
                self._add("2")
            self.connection.send(command('{"type":"close","mood":"happy","id":"%04x"}'))
