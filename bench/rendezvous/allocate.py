"""How long a client waits for its nameplate, in an app with few live ones and with many."""

import random
import time
from collections.abc import Callable

import attrs

from bench.common import BenchError, percentile
from bench.rendezvous.exchange import bind, command, new_side
from bench.rendezvous.fill import Claimed, copy_rows, lengths
from bench.rendezvous.servers import Kind, Servers
from bench.rendezvous.wire import Connection, Loop, ServerMessage

_PATIENCE_SECONDS = 120.0


@attrs.frozen
class Allocation:
    """Milliseconds from `allocate` to `allocated`, one client at a time."""

    p50: float
    p99: float


class _Client:
    """Sends `opening` after its bind, and keeps what comes back until told to leave."""

    def __init__(self, loop: Loop, port: int, opening: str, wanted: str) -> None:
        self.answer: ServerMessage | None = None
        self.seconds = 0.0
        self._loop = loop
        self._opening = opening
        self._wanted = wanted
        self._bound = False
        self._sent = 0.0
        self._gone = False
        self._connection = Connection(loop, port, self)
        self._until(lambda: self.answer is not None)

    def leave(self, last: str | None = None) -> None:
        """Go, after `last` has been acknowledged if there is one to send."""
        if last is not None:
            self.answer, self._wanted = None, "ack"
            self._connection.send(command(last))
            self._until(lambda: self.answer is not None)
        self._connection.close()
        self._until(lambda: self._gone)

    def opened(self) -> None:
        self._connection.send(bind(new_side()))

    def received(self, message: ServerMessage) -> None:
        if message.type == "error":
            raise BenchError(f"the server says {message.error!r}")
        if not self._bound and message.type == "ack":
            self._bound = True
            self._sent = time.perf_counter()
            self._connection.send(command(self._opening))
        elif message.type == self._wanted:
            self.seconds = time.perf_counter() - self._sent
            self.answer = message

    def dropped(self) -> None:
        self._gone = True

    def _until(self, done: Callable[[], bool]) -> None:
        if not self._loop.run(lambda: done() or self._gone, _PATIENCE_SECONDS):
            raise BenchError(f"no {self._wanted!r} for {_PATIENCE_SECONDS} s")
        if not done():
            raise BenchError("the server closed the connection")


def empty(servers: Servers, kind: Kind, times: int) -> Allocation:
    """Allocate in an app that has no nameplate."""
    with servers.running(kind) as server:
        return _allocate(server.port, times, live=set())


def filled(servers: Servers, kind: Kind, times: int, live: int, free: int) -> Allocation:
    """
    Allocate in an app with `live` nameplates, the lowest there are but for a random few.

    :param free: how many of the longest length that could be full are left out.
    """
    nameplates = list(range(1, live + free + 1))
    longest = 10 ** (len(str(live + 1)) - 1)  # all shorter lengths are full
    for left_out in random.Random(0).sample(range(longest // 10, longest), free):
        nameplates.remove(left_out)
    database = servers.fresh_file()
    with servers.running(kind, database) as server:
        templates = [
            _claim(server.port, names[0]) for names in lengths(nameplates).values() if names
        ]
    held = {template.nameplate for template in templates}
    copy_rows(database, templates, [n for n in nameplates if str(n) not in held])
    with servers.running(kind, database) as server:
        return _allocate(server.port, times, {str(n) for n in nameplates})


def _claim(port: int, nameplate: str) -> Claimed:
    opening = f'{{"type":"claim","nameplate":"{nameplate}","id":"%04x"}}'
    client = _Client(Loop(), port, opening, "claimed")
    assert client.answer is not None
    claimed = Claimed(nameplate, client.answer.mailbox)
    client.leave()
    return claimed


def _allocate(port: int, times: int, live: set[str]) -> Allocation:
    loop = Loop()
    seconds = []
    for _ in range(times):
        client = _Client(loop, port, '{"type":"allocate","id":"%04x"}', "allocated")
        assert client.answer is not None
        nameplate = client.answer.nameplate
        if nameplate in live:
            raise BenchError(f"the server does not see that nameplate {nameplate} is live")
        seconds.append(client.seconds)
        client.leave(f'{{"type":"release","nameplate":"{nameplate}","id":"%04x"}}')
    p50, p99 = percentile(seconds, 0.50), percentile(seconds, 0.99)
    return Allocation(1000 * (p50 or 0.0), 1000 * (p99 or 0.0))
