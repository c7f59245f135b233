"""
Whoever wants to hear of the relay, behind its one observer. Owns the fan-out, and that records tell the
time of day, where the relay knows a steady clock alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs

from transit_relay.observer import ConnectionRecord, End, Fallback, LinkKind, Observer, State


class Recording:
    """
    An observer that counts with another one, and hands each record to whoever keeps records.

    :param counting: hears of everything.
    :param keep: each takes the record of a connection that is gone.
    :param ahead: how far the time of day is ahead of the relay's clock, in seconds.
    """

    def __init__(
        self,
        counting: Observer,
        keep: Sequence[Callable[[ConnectionRecord], None]],
        ahead: Callable[[], float],
    ) -> None:
        self._counting = counting
        self._keep = keep
        self._ahead = ahead
        self.connection_state: Callable[[End, State | None, State | None], None] = (
            counting.connection_state
        )
        self.relayed: Callable[[int], None] = counting.relayed
        self.internal_error: Callable[[], None] = counting.internal_error
        self.linked: Callable[[LinkKind], None] = counting.linked
        self.fell_back: Callable[[Fallback], None] = counting.fell_back
        self.pipe_memory: Callable[[int], None] = counting.pipe_memory

    def finished(self, record: ConnectionRecord) -> None:
        """A connection is gone."""
        self._counting.finished(record)
        dated = self._dated(record)
        for keep in self._keep:
            keep(dated)

    def _dated(self, record: ConnectionRecord) -> ConnectionRecord:
        ahead = self._ahead()
        pair = record.pair
        if pair is not None:
            pair = attrs.evolve(pair, started=pair.started + ahead)
        return attrs.evolve(record, started=record.started + ahead, pair=pair)
