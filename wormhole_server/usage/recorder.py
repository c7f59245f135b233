"""
The usage recorder: hands the record of every relay connection to what writes records, blurred.

Owns the rule of `--blur-usage=DURATION`, so that no record can be matched with what somebody has observed
on a network. Writes nothing itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import attrs

from rendezvous.rules.usage import blur_time
from transit_relay.observer import (
    ConnectionKind,
    ConnectionRecord,
    ConnectionState,
    Fallback,
    LinkKind,
    RelayObserver,
    notify,
)


class RecordWriter(Protocol):
    """Writes the records of relay connections somewhere."""

    def write(self, record: ConnectionRecord) -> None:
        """Write one record; a failure is counted and logged, not raised."""


class UsageRecorder(RelayObserver):
    """
    Passes everything on to another observer, and every record to the writers as well.

    :ivar blur_seconds: times are rounded down to a multiple of this, and sizes up to two digits; None:
        neither is rounded. May be changed.
    :param metrics: the other observer.
    """

    def __init__(
        self,
        metrics: RelayObserver,
        writers: Sequence[RecordWriter],
        blur_seconds: float | None,
    ) -> None:
        self._metrics = metrics
        self._writers = writers
        self.blur_seconds = blur_seconds

    def finished(self, record: ConnectionRecord) -> None:
        # A fault of the metrics, or of one writer, must not keep the others from the record.
        calls: list[tuple[Callable[[ConnectionRecord], None], ConnectionRecord]] = [
            (self._metrics.finished, record)
        ]
        step = self.blur_seconds
        waiting, pair = record.waiting_seconds, record.pair
        if pair is not None:
            pair = attrs.evolve(
                pair,
                started=blur_time(pair.started, step),
                waiting_seconds=blur_time(pair.waiting_seconds, step),
                total_seconds=blur_time(pair.total_seconds, step),
                bytes=blur_size(pair.bytes, step),
            )
        blurred = attrs.evolve(
            record,
            started=blur_time(record.started, step),
            waiting_seconds=None if waiting is None else blur_time(waiting, step),
            total_seconds=blur_time(record.total_seconds, step),
            bytes=blur_size(record.bytes, step),
            pair=pair,
        )
        calls += [(writer.write, blurred) for writer in self._writers]
        for call, argument in calls:
            notify(self._metrics, call, argument)

    def connection_state(
        self, kind: ConnectionKind, before: ConnectionState | None, after: ConnectionState | None
    ) -> None:
        self._metrics.connection_state(kind, before, after)

    def relayed(self, byte_count: int) -> None:
        self._metrics.relayed(byte_count)

    def internal_error(self) -> None:
        self._metrics.internal_error()

    def linked(self, kind: LinkKind) -> None:
        self._metrics.linked(kind)

    def fell_back(self, why: Fallback) -> None:
        self._metrics.fell_back(why)

    def pipe_memory(self, byte_count: int) -> None:
        self._metrics.pipe_memory(byte_count)


def blur_size(size: int, step_seconds: float | None) -> int:
    """
    Round a size up to two digits, 123456 to 130000: totals stay right to a few per cent.

    :param size: in bytes; 0 stays 0.
    :param step_seconds: what times are rounded to; None: they are not, and neither is the size.
    """
    if step_seconds is None:
        return size
    unit = int(10 ** max(0, len(str(size)) - 2))
    return -(-size // unit) * unit
