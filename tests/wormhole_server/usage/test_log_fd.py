"""Tests of `wormhole_server.usage.log_fd`."""

from __future__ import annotations

import contextlib
import json
import os

from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_server.files import new_path
from tests.wormhole_server.records import HAPPY, JILTED, LONELY
from wormhole_server.usage.log_fd import LogFdWriter


class LogFdTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Make a pipe to write to."""
        self.reader, self.writer = os.pipe()
        self.addCleanup(self.close, self.reader)
        self.addCleanup(self.close, self.writer)
        self.lost: list[int] = []
        self.log = LogFdWriter(self.writer, self.lost.append)

    def close(self, descriptor: int) -> None:
        """Close a descriptor, unless the test has done so."""
        with contextlib.suppress(OSError):
            os.close(descriptor)

    def lines(self) -> list[str]:
        """Read all lines."""
        return os.read(self.reader, 1 << 20).decode().splitlines()

    def test_pair(self) -> None:
        """A pair has one line, with the keys of magic-wormhole-transit-relay."""
        self.log.write(JILTED)
        self.log.write(HAPPY)
        (line,) = self.lines()
        self.assertEqual(
            line,
            '{"started": 1000017.5, "total_time": 125.5, "waiting_time": 20.25, '
            '"total_bytes": 123456, "mood": "happy"}',
        )

    def test_alone(self) -> None:
        """A connection that was never in a pair has a line of its own."""
        self.log.write(LONELY)
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

    def test_full(self) -> None:
        """A pipe that nobody reads loses lines, whole ones, and never makes the relay wait."""
        for _ in range(10_000):
            self.log.write(HAPPY)
            if self.lost:
                break
        self.log.write(HAPPY)
        self.assertEqual(self.lost, [1, 1])
        for line in self.lines():
            self.assertEqual(json.loads(line)["mood"], "happy")
        self.log.write(LONELY)
        (line,) = self.lines()
        self.assertEqual(json.loads(line)["mood"], "lonely")

    def test_no_reader(self) -> None:
        """A pipe whose reader has gone does no harm."""
        os.close(self.reader)
        self.log.write(HAPPY)
        self.log.write(HAPPY)
        self.assertEqual(self.lost, [1, 1])

    def test_closed(self) -> None:
        """A descriptor that is not open does no harm."""
        os.close(self.writer)
        self.log.write(HAPPY)
        self.assertEqual(self.lost, [1])

    def test_disk_full(self) -> None:
        """A disk that is full does no harm."""
        full = os.open("/dev/full", os.O_WRONLY)
        self.addCleanup(os.close, full)
        LogFdWriter(full, self.lost.append).write(HAPPY)
        self.assertEqual(self.lost, [1])

    def test_read_only(self) -> None:
        """A descriptor that cannot be written to does no harm."""
        path = new_path(self)
        path.touch()
        descriptor = os.open(path, os.O_RDONLY)
        self.addCleanup(os.close, descriptor)
        LogFdWriter(descriptor, self.lost.append).write(HAPPY)
        self.assertEqual(self.lost, [1])
