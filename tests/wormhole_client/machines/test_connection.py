"""Tests of the Connection machine: every state, and the growing delays."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from wormhole_client.machines.connection import ConnectionCore, connection_machine
from wormhole_client.network.link import LinkOwner, ServerLink


@attrs.define
class Wire:
    """A link that records."""

    sent: list[bytes] = attrs.field(factory=list)
    closed: bool = False

    def send(self, text: bytes) -> None:
        self.sent.append(text)

    def close(self) -> None:
        self.closed = True


class ConnectionTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.attempts: list[Deferred[ServerLink]] = []
        self.events: list[str] = []
        self.chance = 1.0
        self.canceller: Callable[[Deferred[Any]], None] | None = None
        self.wire = Wire()
        owner: Any = SimpleNamespace(
            online=lambda: self.events.append("open"),
            offline=lambda: self.events.append("lost"),
            refused=self.refused,
            stopped=lambda: self.events.append("stopped"),
        )
        self.machine = connection_machine(
            ConnectionCore(
                self.dial,
                owner,
                self.clock,
                lambda: self.chance,
            )
        )

    def dial(self, _: LinkOwner) -> Deferred[ServerLink]:
        self.attempts.append(Deferred(self.canceller))
        return self.attempts[-1]

    def refused(self, reason: Failure) -> None:
        self.events.append(f"refused {reason.getErrorMessage()}")

    def connect(self) -> None:
        self.machine.start()
        self.attempts[-1].callback(self.wire)

    def test_connects(self) -> None:
        """Starting dials; messages go to the link."""
        self.machine.send(b"too early")
        self.machine.healthy()
        self.machine.start()
        self.machine.send(b"too early")
        self.machine.healthy()
        self.attempts[0].callback(self.wire)
        self.machine.send(b"a")
        self.assertEqual((self.events, self.wire.sent), (["open"], [b"a"]))

    def test_delays(self) -> None:
        """Attempts that fail are repeated after 1 s, 1.5 s, 2.25 s … up to 60 s."""
        self.machine.start()
        delays = []
        for _ in range(14):
            self.attempts[-1].errback(ValueError("no"))
            [call] = self.clock.getDelayedCalls()
            delays.append(call.getTime() - self.clock.seconds())
            self.machine.send(b"meanwhile")
            self.machine.healthy()
            self.clock.advance(delays[-1])
        self.assertEqual(delays[:4], [1.0, 1.5, 2.25, 3.375])
        self.assertEqual(delays[-2:], [60.0, 60.0])
        self.assertEqual(self.events, ["refused no"] * 14)

    def test_chance(self) -> None:
        """Chance shortens a delay to no less than half."""
        self.chance = 0.0
        self.machine.start()
        self.attempts[-1].errback(ValueError("no"))
        self.clock.advance(0.49)
        self.assertEqual(len(self.attempts), 1)
        self.clock.advance(0.01)
        self.assertEqual(len(self.attempts), 2)

    def test_healthy(self) -> None:
        """Only a server that has spoken makes the delays short again."""
        self.connect()
        self.machine.lost()
        self.clock.advance(1.0)
        self.attempts[-1].callback(self.wire)
        self.machine.lost()
        [call] = self.clock.getDelayedCalls()
        self.assertEqual(call.getTime() - self.clock.seconds(), 1.5)
        self.clock.advance(1.5)
        self.attempts[-1].callback(self.wire)
        self.machine.healthy()
        self.machine.lost()
        [call] = self.clock.getDelayedCalls()
        self.assertEqual(call.getTime() - self.clock.seconds(), 1.0)
        self.assertEqual(self.events, ["open", "lost"] * 3)

    def test_stopped_while_connected(self) -> None:
        """Stopping closes the link, ends when that has ended, and dials no more."""
        self.connect()
        self.machine.stop()
        self.machine.stop()
        self.machine.send(b"late")
        self.machine.healthy()
        self.assertEqual((self.events, self.wire.closed), (["open", "lost"], True))
        self.machine.lost()
        self.machine.stop()
        self.machine.send(b"late")
        self.machine.healthy()
        self.assertEqual(self.events[-1], "stopped")
        self.assertEqual((self.clock.getDelayedCalls(), self.wire.sent), ([], []))

    def test_stopped_while_dialing(self) -> None:
        """The attempt is cancelled."""
        self.machine.start()
        self.machine.stop()
        self.assertEqual(self.events, ["stopped"])
        self.attempts[0].addErrback(lambda reason: reason.trap(CancelledError))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_opened_too_late(self) -> None:
        """An attempt that succeeds although it was cancelled is closed again."""
        self.canceller = lambda attempt: attempt.callback(self.wire)
        self.machine.start()
        self.machine.stop()
        self.assertEqual((self.events, self.wire.closed), ([], True))
        self.machine.lost()
        self.assertEqual(self.events, ["stopped"])

    def test_stopped_while_waiting(self) -> None:
        """No further attempt."""
        self.machine.start()
        self.attempts[-1].errback(ValueError("no"))
        self.machine.stop()
        self.assertEqual(self.events, ["refused no", "stopped"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stopped_before_the_start(self) -> None:
        """A machine that has not started stops at once."""
        self.machine.stop()
        self.assertEqual(self.events, ["stopped"])
