"""Records of relay connections, for tests."""

from __future__ import annotations

from transit_relay.observer import ConnectionKind, ConnectionRecord, PairRecord, RelayMood

PAIR = PairRecord(started=1_000_017.5, waiting_seconds=20.25, total_seconds=125.5, bytes=123_456)

# The one that came first and left first, and its buddy.
HAPPY = ConnectionRecord(
    kind=ConnectionKind.TCP,
    mood=RelayMood.HAPPY,
    started=1_000_017.5,
    waiting_seconds=20.25,
    total_seconds=125.5,
    bytes=123_000,
    pair=PAIR,
)
JILTED = ConnectionRecord(
    kind=ConnectionKind.WEBSOCKET,
    mood=RelayMood.JILTED,
    started=1_000_037.75,
    waiting_seconds=0.0,
    total_seconds=105.5,
    bytes=456,
    pair=PAIR,
)
LONELY = ConnectionRecord(
    kind=ConnectionKind.TCP,
    mood=RelayMood.LONELY,
    started=1_000_017.5,
    waiting_seconds=None,
    total_seconds=61.0,
    bytes=0,
    pair=None,
)
