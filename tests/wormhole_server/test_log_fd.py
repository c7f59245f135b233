"""Tests of `wormhole_server.log_fd`."""

from __future__ import annotations

import contextlib
import json
import os

from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_server.files import new_path
from tests.wormhole_server.records import HAPPY, JILTED, LONELY
from wormhole_server.log_fd import LogFd


class LogFdTests(SynchronousTestCase):
    def setUp(self) -> None:
        """A pipe to write to, and how many lines were lost."""
        self.reader, self.writer = os.pipe()
        self.addCleanup(self.close, self.reader)
        self.addCleanup(self.close, self.writer)
        self.lost: list[int] = []
        self.log = LogFd(self.writer, None, self.lost.append)

    def close(self, descriptor: int) -> None:
        """Close it, unless the test has done so."""
        with contextlib.suppress(OSError):
            os.close(descriptor)

    def lines(self) -> list[str]:
        """What can be read now."""
        return os.read(self.reader, 1 << 20).decode().splitlines()

    def test_pair(self) -> None:
        """A pair has one line, with the keys that today's relay writes."""
        self.log.record(JILTED)
        self.log.record(HAPPY)
        (line,) = self.lines()
        self.assertEqual(
            line,
            '{"started": 1000017.5, "total_time": 125.5, "waiting_time": 20.25, '
            '"total_bytes": 123456, "mood": "happy"}',
        )

    def test_alone(self) -> None:
        """A connection that was never in a pair has a line of its own."""
        self.log.record(LONELY)
        (line,) = self.lines()
        self.assertEqual(
            json.loads(line),
            {
                "started": 1_000_017.5,
                "total_time": 61.0,
                "waiting_time": None,
                "total_bytes": 0,
                "mood": "lonely",
            },
        )

    def test_blurred(self) -> None:
        """With --blur-usage, no time and no size is exact."""
        LogFd(self.writer, 60, self.lost.append).record(HAPPY)
        (line,) = self.lines()
        self.assertEqual(
            json.loads(line),
            {
                "started": 999_960.0,
                "total_time": 120.0,
                "waiting_time": 0.0,
                "total_bytes": 130_000,
                "mood": "happy",
            },
        )

    def test_full(self) -> None:
        """A pipe that nobody reads loses lines, whole ones, and never makes the relay wait."""
        for _ in range(10_000):
            self.log.record(HAPPY)
            if self.lost:
                break
        self.log.record(HAPPY)
        self.assertEqual(self.lost, [1, 1])
        for line in self.lines():
            self.assertEqual(json.loads(line)["mood"], "happy")
        self.log.record(LONELY)
        (line,) = self.lines()
        self.assertEqual(json.loads(line)["mood"], "lonely")

    def test_no_reader(self) -> None:
        """A pipe whose reader has gone does no harm."""
        os.close(self.reader)
        self.log.record(HAPPY)
        self.log.record(HAPPY)
        self.assertEqual(self.lost, [1, 1])

    def test_closed(self) -> None:
        """A descriptor that is not open does no harm."""
        os.close(self.writer)
        self.log.record(HAPPY)
        self.assertEqual(self.lost, [1])

    def test_disk_full(self) -> None:
        """A disk that is full does no harm."""
        full = os.open("/dev/full", os.O_WRONLY)
        self.addCleanup(os.close, full)
        LogFd(full, None, self.lost.append).record(HAPPY)
        self.assertEqual(self.lost, [1])

    def test_read_only(self) -> None:
        """A descriptor that cannot be written to does no harm."""
        path = new_path(self)
        path.touch()
        descriptor = os.open(path, os.O_RDONLY)
        self.addCleanup(os.close, descriptor)
        LogFd(descriptor, None, self.lost.append).record(HAPPY)
        self.assertEqual(self.lost, [1])
