"""Tests of `wormhole_server.usage.recorder`."""

from __future__ import annotations

from typing import Any

import attrs
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from twisted.trial.unittest import SynchronousTestCase

from rendezvous.rules.usage import blur_time
from tests.wormhole_server.records import HAPPY, LONELY
from transit_relay.observer import (
    ConnectionKind,
    ConnectionRecord,
    ConnectionState,
    Fallback,
    LinkKind,
    PairRecord,
)
from wormhole_server.metrics.relay import RelayMetrics
from wormhole_server.usage.recorder import UsageRecorder, blur_size


class MemoryWriter:
    """Keeps records in memory."""

    def __init__(self) -> None:
        self.records: list[ConnectionRecord] = []

    def write(self, record: ConnectionRecord) -> None:
        self.records.append(record)


class UsageRecorderTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Make a recorder with two writers."""
        self.registry = CollectorRegistry()
        self.writers = [MemoryWriter(), MemoryWriter()]
        self.recorder = UsageRecorder(RelayMetrics(self.registry), self.writers, None)

    def value(self, name: str, **labels: str) -> float | None:
        """Return the value of a series."""
        return self.registry.get_sample_value(f"wormhole_relay_{name}", labels)

    def test_written(self) -> None:
        """Every writer gets every record."""
        self.recorder.finished(HAPPY)
        self.recorder.finished(LONELY)
        for writer in self.writers:
            self.assertEqual(writer.records, [HAPPY, LONELY])

    def test_writer_that_raises(self) -> None:
        """A writer, or the metrics, that fail keep no record from the others; each is logged and counted."""

        class Broken(MemoryWriter, RelayMetrics):
            def write(self, record: ConnectionRecord) -> None:
                raise ZeroDivisionError

            def finished(self, record: ConnectionRecord) -> None:
                raise ZeroDivisionError

        broken = Broken.__new__(Broken)
        RelayMetrics.__init__(broken, CollectorRegistry())
        last = MemoryWriter()
        recorder = UsageRecorder(broken, [broken, last], None)
        recorder.finished(HAPPY)
        self.assertEqual(last.records, [HAPPY])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)

    def test_blurred(self) -> None:
        """With --blur-usage no time and no size is exact; the metrics are."""
        self.recorder.blur_seconds = 60
        self.recorder.finished(HAPPY)
        self.recorder.finished(LONELY)
        happy, lonely = self.writers[0].records
        self.assertEqual(
            happy,
            attrs.evolve(
                HAPPY,
                started=999_960.0,
                waiting_seconds=0.0,
                total_seconds=120.0,
                bytes=130_000,
                pair=PairRecord(
                    started=999_960.0, waiting_seconds=0.0, total_seconds=120.0, bytes=130_000
                ),
            ),
        )
        self.assertIsNone(lonely.waiting_seconds)
        self.assertEqual(self.value("waiting_seconds_sum"), 20.25)

    def test_counted(self) -> None:
        """Everything that the relay reports is passed on to the metrics."""
        self.recorder.connection_state(ConnectionKind.TCP, None, ConnectionState.HANDSHAKE)
        self.recorder.relayed(5)
        self.recorder.finished(HAPPY)
        self.recorder.internal_error()
        self.recorder.linked(LinkKind.SPLICE)
        self.recorder.fell_back(Fallback.NO_PIPE)
        self.recorder.pipe_memory(7)
        expected: list[tuple[str, dict[str, Any], float]] = [
            ("connected", {"end": "tcp", "state": "handshake"}, 1),
            ("finished_connections_total", {"mood": "happy"}, 1),
            ("internal_errors_total", {}, 1),
            ("links_total", {"kind": "splice"}, 1),
            ("link_fallbacks_total", {"reason": "no_pipe"}, 1),
            ("bytes_total", {}, 5),
            ("pipe_memory_bytes", {}, 7),
        ]
        for name, labels, value in expected:
            self.assertEqual(self.value(name, **labels), value, name)


class BlurTests(SynchronousTestCase):
    def test_off(self) -> None:
        """Without a step, everything stays as it is."""
        self.assertEqual((blur_time(12.5, None), blur_size(12345, None)), (12.5, 12345))

    @given(st.floats(0, 4e9), st.integers(1, 86400))
    def test_time(self, seconds: float, step: int) -> None:
        """A time is rounded down to a multiple of the step."""
        blurred = blur_time(seconds, step)
        self.assertEqual(blurred % step, 0)
        self.assertLessEqual(blurred, seconds)
        self.assertLess(seconds - blurred, step)

    def test_size(self) -> None:
        """A size is rounded up to two digits; nothing stays nothing."""
        for size, blurred in (
            (0, 0),
            (7, 7),
            (99, 99),
            (101, 110),
            (123_456, 130_000),
            (996, 1000),
        ):
            self.assertEqual(blur_size(size, 60), blurred)

    @given(st.integers(0, 1 << 60))
    def test_any_size(self, size: int) -> None:
        """A rounded size has two digits, and is at most a tenth too large."""
        blurred = blur_size(size, 60)
        self.assertLessEqual(len(str(blurred).rstrip("0")), 2)
        self.assertTrue(size <= blurred <= size * 1.1)
