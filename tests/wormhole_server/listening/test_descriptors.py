"""Tests of `wormhole_server.listening.descriptors`."""

from __future__ import annotations

import resource

from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.internet.tcp import Port
from twisted.logger import Logger, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.config.kinds import Automatic
from wormhole_server.listening.descriptors import (
    RESERVED,
    connection_limit,
    raise_descriptor_limit,
    watch_for_exhaustion,
)


class ConnectionLimitTests(SynchronousTestCase):
    def test_automatic(self) -> None:
        """All descriptors but the reserve; half of few; unlimited where the descriptors are."""
        self.assertEqual(connection_limit(Automatic.AUTO, 1024), 1024 - RESERVED)
        self.assertEqual(connection_limit(Automatic.AUTO, 100), 50)
        self.assertIsNone(connection_limit(Automatic.AUTO, None))

    def test_given(self) -> None:
        """A number counts as far as the descriptors allow."""
        self.assertEqual(connection_limit(500, 1024), 500)
        self.assertEqual(connection_limit(5000, 1024), 1024 - RESERVED)
        self.assertEqual(connection_limit(5000, None), 5000)

    def test_none(self) -> None:
        """None is unlimited, whatever the descriptors."""
        self.assertIsNone(connection_limit(None, 1024))

    def test_raised(self) -> None:
        """The soft limit becomes the hard one."""
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, before)
        resource.setrlimit(resource.RLIMIT_NOFILE, (before[0] - 1, before[1]))
        given = raise_descriptor_limit()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.assertEqual((soft, given), (hard, None if hard == resource.RLIM_INFINITY else hard))


class AcceptingTests(SynchronousTestCase):
    def setUp(self) -> None:
        """A port that does not listen yet."""
        self.clock = Clock()
        self.port = Port(0, Factory(), reactor=self.clock)
        self.closed = 0
        watch_for_exhaustion(self.port, self.clock, self.count)

    def count(self) -> None:
        """A connection was closed."""
        self.closed += 1

    def test_counted_and_logged_once(self) -> None:
        """Each closed connection counts; the log has one line a minute, without addresses."""
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
