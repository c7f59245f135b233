"""
What the status page shows, at one moment: as values, and as JSON for programs. Pure.

Owns which figures are shown and how fine. There is nothing in them of a single client, and nothing finer
than what usage records are blurred to.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import attrs

from rendezvous.moods import Mood
from wormhole_server.blur import blur_size
from wormhole_server.pages.tally import Span, Tally


@attrs.frozen
class Now:
    """
    Who is here.

    :ivar clients: connected to the rendezvous server.
    :ivar waiting: connections of the relay that wait for their buddy.
    :ivar pairs: pairs that the relay serves.
    """

    clients: int
    waiting: int
    pairs: int


@attrs.frozen
class Snapshot:
    """
    The server at one moment.

    :ivar at: seconds since the epoch.
    :ivar uptime_seconds: since this process began.
    :ivar minutes: the last hour; None where that is finer than records are blurred to.
    :ivar hours: the last day; None likewise.
    :ivar days: the last month; None where the database does not answer.
    :ivar several: whether the days are those of other instances too.
    """

    at: float
    uptime_seconds: float
    version: str
    now: Now
    minutes: Span | None
    hours: Span | None
    days: Span | None
    several: bool


def blurred(span: Span | None, blur_seconds: float | None) -> Span | None:
    """`span` as it may be shown where usage records are blurred to so much."""
    if span is None or blur_seconds is None:
        return span
    if span.step_seconds < blur_seconds and span.step_seconds < _DAY_SECONDS:
        return None
    steps = [
        None if step is None else attrs.evolve(step, relayed=blur_size(step.relayed, blur_seconds))
        for step in span.steps
    ]
    return Span(span.step_seconds, tuple(steps))


# Days are made from records, which are blurred already.
_DAY_SECONDS = 86400


def as_json(snapshot: Snapshot) -> dict[str, Any]:
    """For programs; the names stay as they are."""
    return {
        "time": datetime.fromtimestamp(snapshot.at, UTC).isoformat(timespec="seconds"),
        "version": snapshot.version,
        "uptime_seconds": round(snapshot.uptime_seconds),
        "now": attrs.asdict(snapshot.now),
        "minutes": _span(snapshot.minutes),
        "hours": _span(snapshot.hours),
        "days": _span(snapshot.days),
    }


def _span(span: Span | None) -> dict[str, Any] | None:
    if span is None:
        return None
    return {
        "step_seconds": span.step_seconds,
        "total": _tally(span.total),
        "steps": [None if step is None else _tally(step) for step in span.steps],
    }


def _tally(tally: Tally) -> dict[str, Any]:
    return {
        "exchanges": {mood.value: tally.outcomes.get(mood, 0) for mood in Mood},
        "relay_sessions": tally.sessions,
        "relay_bytes": tally.relayed,
    }
