"""
Containment where connections are accepted: every method raises once, and one connection ends at most.

The methods are found by inspection, so one that is added later is tested as well.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any

from tests.wormhole_server.listening.connections import Connection, RefusalRecorder
from tests.wormhole_server.listening.test_factory import HEADER, REQUEST, FactoryCase
from wormhole_server.listening import factory, limiter, policy, refused_connections


class Injected(Exception):
    """What nobody foresaw."""


def methods() -> Iterator[tuple[type, str]]:
    """Every method that has to do with a connection that is accepted or refused."""
    for module in (factory, limiter, policy, refused_connections):
        for owner in vars(module).values():
            if inspect.isclass(owner) and owner.__module__ == module.__name__:
                for name, member in vars(owner).items():
                    if inspect.isfunction(member):
                        yield owner, name
    yield RefusalRecorder, "connection_refused"


SKIPPED = {
    # Timers call these, and they contain what others raise.
    "_ProxyHeaderReader._timed_out",
    "RefusedConnection._timed_out",
    # They run at the start.
    "ConnectionPolicy.__init__",
    "ConnectionPolicy._limits",
    "ConnectionLimiter.__init__",
    "ConnectionLimits.__init__",
    "LimitingFactory.__init__",
}

UNCOUNTING = {
    # These forget a connection: there is nothing in them but that.
    "CountedConnection.connection_lost",
    "ConnectionLimiter.remove",
}


class ContainmentTests(FactoryCase):
    """Whatever raises, the next connections are served."""

    limits = {"connection_limit": 6}  # noqa: RUF012 - as in the case

    def guard(self, call: Callable[..., object], *args: object) -> None:
        """Do what the reactor does with a timer, or a port."""
        try:
            call(*args)
        except Injected:
            self.escaped += 1

    def dial(self, peer: str, *pieces: bytes) -> None:
        """Connect, and send `pieces`; the reactor drops a connection whose protocol raises."""
        try:
            connection = Connection(self.factory, peer)
        except Injected:
            self.escaped += 1
            return
        self.connections.append(connection)
        for piece in pieces:
            if not connection.closed:
                try:
                    connection.send(piece)
                except Injected:
                    self.escaped += 1
                    connection.transport.disconnected = True

    def go_on(self) -> None:
        """Have everything happen that can happen to new connections."""
        self.dial("192.0.2.1", b"hello")
        self.dial("10.0.0.1", HEADER[:9], HEADER[9:], b"hello")
        self.dial("10.0.0.1", b"GET / HTTP/1.1\r\n")
        self.dial("10.0.0.1", b"PROXY nonsense\r\n")
        self.dial("10.0.0.1", HEADER[:9])
        self.dial("10.0.0.1")
        for _ in range(4):
            self.dial("192.0.2.2", REQUEST[:5], REQUEST[5:])
        self.dial("192.0.2.3")
        self.guard(self.clock.advance, 5.1)
        for connection in self.connections:
            if not connection.lost:
                self.guard(connection.lose)

    def try_method(self, owner: type, name: str) -> str:
        """Have the first call of a method raise; return what is wrong then."""
        FactoryCase.setUp(self)
        self.escaped = 0
        self.connections: list[Connection] = []
        original = getattr(owner, name)
        raised: list[int] = []

        @functools.wraps(original)
        def method(*args: Any, **kwargs: Any) -> Any:
            if not raised:
                raised.append(1)
                raise Injected(name)
            return original(*args, **kwargs)

        setattr(owner, name, method)
        try:
            self.go_on()
        finally:
            setattr(owner, name, original)
        self.reached += bool(raised)
        logged = len(self.flushLoggedErrors(Injected)) + self.escaped
        if raised and logged != 1:
            return f"logged {logged}"
        if self.limiter.total and f"{owner.__name__}.{name}" not in UNCOUNTING:
            return f"{self.limiter.total} counted for ever"
        last = Connection(self.factory, "192.0.2.9")
        last.send(b"hello")
        return "" if last.protocol.data == b"hello" else "the next is not served"

    def test_every_method(self) -> None:
        """The exception is logged once, nothing stays counted, and a later connection is served."""
        self.reached = 0
        wrong = [
            f"{owner.__name__}.{name}: {found}"
            for owner, name in methods()
            if f"{owner.__name__}.{name}" not in SKIPPED and (found := self.try_method(owner, name))
        ]
        if wrong:
            self.fail("\n".join(wrong))
        self.assertGreater(self.reached, 15)
