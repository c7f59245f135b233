"""Records of relay connections, for tests."""

from __future__ import annotations

from transit_relay.observer import ConnectionRecord, End, Mood, PairRecord

PAIR = PairRecord(started=1_000_017.5, waiting_seconds=20.25, total_seconds=125.5, bytes=123_456)

# The one that came first and left first, and its buddy.
HAPPY = ConnectionRecord(
    end=End.TCP,
    mood=Mood.HAPPY,
    started=1_000_017.5,
    waiting_seconds=20.25,
    total_seconds=125.5,
    bytes=123_000,
    pair=PAIR,
)
JILTED = ConnectionRecord(
    end=End.WEBSOCKET,
    mood=Mood.JILTED,
    started=1_000_037.75,
    waiting_seconds=0.0,
    total_seconds=105.5,
    bytes=456,
    pair=PAIR,
)
LONELY = ConnectionRecord(
    end=End.TCP,
    mood=Mood.LONELY,
    started=1_000_017.5,
    waiting_seconds=None,
    total_seconds=61.0,
    bytes=0,
    pair=None,
)
