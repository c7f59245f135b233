"""Tests of `wormhole_server.lifecycle.log_writer`, with real pipes and its own thread."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from typing import IO, Any

from tests.wormhole_server.logs import LogCase
from wormhole_server.lifecycle import log_writer
from wormhole_server.lifecycle.log_writer import LogWriter

SECONDS = 30.0
LINE = "x" * 99 + "\n"


class FakeReactor:
    """Calls at once what a thread wants to have called."""

    def callFromThread(self, call: Callable[..., object], *args: object, **kwargs: object) -> None:
        call(*args, **kwargs)


class LogWriterTests(LogCase):
    def setUp(self) -> None:
        """A pipe that nobody reads, and a queue of ten lines."""
        super().setUp()
        self.patch(log_writer, "_MOST_QUEUED", 10 * len(LINE))
        self.reading, writing = os.pipe()
        self.addCleanup(os.close, self.reading)
        self.stream = os.fdopen(writing, "w", encoding="ascii")
        self.addCleanup(self.stream.close)
        self.lost = 0

    def make(self, stream: IO[str]) -> LogWriter:
        reactor: Any = FakeReactor()
        writer = LogWriter(stream, reactor)
        writer.count_lost_with(self.count)
        return writer

    def count(self, lines: int) -> None:
        self.lost += lines

    def fill(self) -> int:
        """Fill the pipe; returns the bytes in it."""
        os.set_blocking(self.stream.fileno(), False)
        filled = 0
        try:
            while True:
                filled += os.write(self.stream.fileno(), bytes(4096))
        except BlockingIOError:
            os.set_blocking(self.stream.fileno(), True)
            return filled

    def read(self, length: int) -> bytes:
        got = b""
        while len(got) < length:
            got += os.read(self.reading, length - len(got))
        return got

    def test_in_order(self) -> None:
        """Lines are written in order; what the stream cannot encode is escaped."""
        writer = self.make(self.stream)
        writer.write("one\n")
        writer.flush()
        writer.write("é\n")
        self.assertEqual(self.read(9), b"one\n\\xe9\n")
        writer.close(SECONDS)
        self.assertEqual(self.lost, 0)

    def test_nobody_reads(self) -> None:
        """Nobody waits for a pipe that is full; what is too much is counted, and reported when it is read."""
        filled = self.fill()
        writer = self.make(self.stream)
        for _ in range(25):
            writer.write(LINE)
        self.assertEqual(self.lost, 15)
        writer.close(0.0)
        self.assertEqual(self.logged(), [])
        self.read(filled)
        self.assertEqual(self.read(10 * len(LINE)), 10 * LINE.encode())
        writer.close(SECONDS)
        self.assertEqual(
            self.logged(), ["warn: Nothing read the log for a while: 15 lines are lost."]
        )
        writer.write("again\n")
        self.assertEqual(self.read(6), b"again\n")

    def test_non_blocking(self) -> None:
        """A pipe that another program has made non-blocking is waited for as well."""
        filled = self.fill()
        os.set_blocking(self.stream.fileno(), False)
        writer = self.make(self.stream)
        writer.write(LINE)
        self.read(filled)
        self.assertEqual(self.read(len(LINE)), LINE.encode())
        self.assertEqual(self.lost, 0)

    def test_broken(self) -> None:
        """What a descriptor refuses is counted, and ends nothing."""
        self.patch(os, "write", self.refuse)
        writer = self.make(self.stream)
        writer.write(LINE)
        writer.write(LINE)
        writer.close(SECONDS)
        self.assertEqual(self.lost, 2)

    def refuse(self, *_: object) -> int:
        raise BrokenPipeError(32, "Broken pipe")

    def test_in_memory(self) -> None:
        """A stream without a descriptor is written to."""
        stream = io.StringIO()
        writer = self.make(stream)
        writer.write(LINE)
        writer.close(SECONDS)
        self.assertEqual(stream.getvalue(), LINE)
