"""
Whoever wants to hear of the relay, behind its one observer. Owns the fan-out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from transit_relay.observer import ConnectionRecord, End, Fallback, LinkKind, Observer, State


class Recording:
    """
    An observer that counts with another one, and hands each record to whoever keeps records.

    :param counting: hears of everything.
    :param keep: each takes the record of a connection that is gone.
    """

    def __init__(
        self, counting: Observer, keep: Sequence[Callable[[ConnectionRecord], None]]
    ) -> None:
        self._counting = counting
        self._keep = keep
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
        for keep in self._keep:
            keep(record)
