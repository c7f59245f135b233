"""Tests of `wormhole_server.metrics.process`."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.logger import Logger, LogPublisher
from twisted.python import log as log_legacy
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_server.metrics.support import MetricsCase
from wormhole_server.metrics.process import LoggedExceptions, ReactorLag


class ProcessMetricsTests(MetricsCase):
    def test_process(self) -> None:
        """The page has memory and descriptors of the process, its reactor lag and its version."""
        self.metrics.process.reactor_lag_seconds.observe(0.5)
        self.metrics.process.usage_lost(3)
        self.assertGreater(self.value("process_resident_memory_bytes"), 0)
        self.assertGreater(self.value("process_open_fds"), 0)
        self.assertEqual(self.value("process_reactor_lag_seconds_sum"), 0.5)
        self.assertEqual(self.value("process_lost_usage_records_total"), 3)
        self.metrics.process.log_lost(2)
        self.assertEqual(self.value("process_lost_log_lines_total"), 2)
        self.assertEqual(self.value("process_info", version="1.2.3"), 1)


class LoggedExceptionsTests(MetricsCase):
    def test_counted(self) -> None:
        """Every logged exception is counted while the service runs, and nothing else."""
        publisher = LogPublisher()
        log = Logger(observer=publisher)
        service = LoggedExceptions(publisher, self.metrics.process.internal_error)
        service.startService()
        log.error("no exception")
        log.failure("an exception", Failure(ZeroDivisionError()))
        # As the reactor logs what a protocol raises.
        older = log_legacy.LogPublisher(publisher, publisher)
        older.msg(failure=Failure(ZeroDivisionError()), why="an exception", isError=1)
        service.stopService()
        log.failure("an exception", Failure(ZeroDivisionError()))
        self.assertEqual(self.value("process_internal_errors_total"), 2)


class ReactorLagTests(SynchronousTestCase):
    def setUp(self) -> None:
        """A measurement on a clock."""
        self.clock = Clock()
        self.lags: list[float] = []
        self.measurement = ReactorLag(self.clock, self.lags.append)

    def test_on_time(self) -> None:
        """An idle reactor is on time, twice a second."""
        self.measurement.startService()
        self.clock.pump([0.5] * 4)
        self.assertEqual(self.lags, [0, 0, 0, 0])

    def test_late(self) -> None:
        """A busy reactor is late by the time that it was busy, and on time again at the next turn."""
        self.measurement.startService()
        self.clock.advance(0.75)
        self.clock.advance(0.5)
        self.assertEqual(self.lags, [0.25, 0])

    def test_clock_set_back(self) -> None:
        """A clock that goes backwards yields no negative lag."""
        self.measurement.startService()
        call: Any
        (call,) = self.clock.getDelayedCalls()
        self.clock.rightNow = -100
        call.func(*call.args)
        self.assertEqual(self.lags, [0])

    def test_started_again(self) -> None:
        """The time between a stop and a start is no lag."""
        self.measurement.startService()
        self.measurement.stopService()
        self.clock.advance(100)
        self.measurement.startService()
        self.clock.advance(0.5)
        self.assertEqual(self.lags, [0])

    def test_stop(self) -> None:
        """No timer is left after a stop, started or not."""
        self.measurement.stopService()
        self.measurement.startService()
        self.measurement.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])
