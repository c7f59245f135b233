"""The memory of connections, measured and bounded."""

from __future__ import annotations

import ipaddress

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_limits.fakes import BoundRecorder
from wormhole_limits.bounds import Bound
from wormhole_limits.ip_addresses import IP, address_block
from wormhole_limits.memory import Holding, MemoryLimits
from wormhole_server.listening.memory import ConnectionMemory, HoldingConnection

LIMITS = MemoryLimits(total_bytes=100, connection_bytes=60, message_seconds=60.0)
CLIENT = ipaddress.IPv4Address("192.0.2.7")


class FakeConnection:
    """Holds what the test says."""

    ip: IP | None = CLIENT

    def __init__(self, size: int, message: int | None = None) -> None:
        self.size = size
        self.message = message
        self.aborted = 0

    def holding(self) -> Holding | None:
        return Holding(self.size, self.message) if self.size else None

    def abort(self) -> None:
        self.aborted += 1
        self.size = 0


class ConnectionMemoryTests(SynchronousTestCase):
    """`ConnectionMemory`."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.bounds = BoundRecorder()
        self.connections: list[HoldingConnection] = []
        self.memory = ConnectionMemory(self.clock, lambda: self.connections, LIMITS, self.bounds)
        self.memory.startService()
        self.addCleanup(self.memory.stopService)

    def check(self, *connections: FakeConnection) -> list[FakeConnection]:
        """Let the next check pass; who was dropped."""
        self.connections = list(connections)
        self.clock.advance(0.5)
        return [one for one in connections if one.aborted]

    def test_largest(self) -> None:
        """The largest goes, and is reported with its address."""
        self.assertEqual(self.check(FakeConnection(50), FakeConnection(50)), [])
        small, large, none = FakeConnection(50), FakeConnection(51), FakeConnection(0)
        self.assertEqual(self.check(small, large, none), [large])
        self.assertEqual(self.bounds.met, [(Bound.UNSENT, address_block(CLIENT))])

    def test_no_address(self) -> None:
        """One that is counted for no address is reported without."""
        connection = FakeConnection(61)
        connection.ip = None
        self.assertEqual(self.check(connection), [connection])
        self.assertEqual(self.bounds.met, [(Bound.UNSENT, 0)])

    def test_unfinished(self) -> None:
        """A message that is not finished in a minute ends its connection."""
        connection = FakeConnection(1, message=3)
        self.check(connection)
        self.clock.pump([1.0] * 59)
        self.assertEqual(connection.aborted, 0)
        self.clock.advance(1.0)
        self.assertEqual(connection.aborted, 1)
        self.assertEqual(self.bounds.met, [(Bound.UNFINISHED, address_block(CLIENT))])

    def test_change(self) -> None:
        """Other limits hold from the next check on."""
        self.memory.change(MemoryLimits(10, 10, 60.0))
        connection = FakeConnection(11)
        self.assertEqual(self.check(connection), [connection])
