"""Tests of `wormhole_server.descriptors`."""

from __future__ import annotations

import resource

from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.internet.tcp import Port
from twisted.logger import Logger, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from wormhole_server import descriptors
from wormhole_server.descriptors import RESERVED, Automatic, connection_limit


class ConnectionLimitTests(SynchronousTestCase):
    def test_automatic(self) -> None:
        """All descriptors but the reserve; with few, the half; without limit, any number."""
        self.assertEqual(connection_limit(Automatic.AUTO, 1024), 1024 - RESERVED)
        self.assertEqual(connection_limit(Automatic.AUTO, 100), 50)
        self.assertIsNone(connection_limit(Automatic.AUTO, None))

    def test_given(self) -> None:
        """A number holds as far as the descriptors go."""
        self.assertEqual(connection_limit(500, 1024), 500)
        self.assertEqual(connection_limit(5000, 1024), 1024 - RESERVED)
        self.assertEqual(connection_limit(5000, None), 5000)

    def test_none(self) -> None:
        """None is none."""
        self.assertIsNone(connection_limit(None, 1024))

    def test_use_all(self) -> None:
        """The process gets as many as it may have."""
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, before)
        resource.setrlimit(resource.RLIMIT_NOFILE, (before[0] - 1, before[1]))
        given = descriptors.use_all()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.assertEqual((soft, given), (hard, None if hard == resource.RLIM_INFINITY else hard))


class AcceptingTests(SynchronousTestCase):
    def setUp(self) -> None:
        """A port that does not listen."""
        self.clock = Clock()
        self.port = Port(0, Factory(), reactor=self.clock)
        self.closed = 0
        descriptors.mind_accepting(self.port, self.clock, self.count)

    def count(self) -> None:
        """One was closed."""
        self.closed += 1

    def test_counted_and_said_once(self) -> None:
        """Each connection that was closed counts; the log says it once a minute, without addresses."""
        logger: Logger = self.port._logger
        with capturedLogs() as said:
            for _ in range(5):
                logger.info("EMFILE encountered; releasing reserved file descriptor.")
                logger.info("EMFILE recovery: Closed socket from {address}", address="192.0.2.7")
            self.assertEqual((self.closed, len(said)), (5, 1))
            self.assertNotIn("192.0.2", formatEvent(said[0]))
            self.clock.advance(60)
            logger.info("Could not accept new connection ({acceptError})", acceptError="ENFILE")
            self.assertEqual((self.closed, len(said)), (5, 2))

    def test_another_kind_of_port(self) -> None:
        """One that logs nothing is left alone."""
        descriptors.mind_accepting(object(), self.clock, self.count)
