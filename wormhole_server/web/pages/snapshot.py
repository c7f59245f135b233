"""
A status snapshot: what the status page shows at one moment, as values and as JSON. No I/O.

Owns which figures are shown, how fine, and their names in JSON. None is about a single client, and none is
finer than what usage records are blurred to.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import attrs

from rendezvous.protocol.moods import Mood
from wormhole_limits.bounds import Bound
from wormhole_server.metrics.history import DAY, Tally, TimeSeries
from wormhole_server.usage.recorder import blur_size


@attrs.frozen
class CurrentConnections:
    """
    Connections that are open now.

    :ivar clients: of the rendezvous server.
    :ivar waiting: of the relay, without a buddy.
    :ivar pairs: pairs of the relay.
    """

    clients: int
    waiting: int
    pairs: int


@attrs.frozen
class StatusSnapshot:
    """
    The server at one moment.

    :ivar time: seconds since the epoch.
    :ivar uptime_seconds: since this process started.
    :ivar version: of this program; None: it is not shown.
    :ivar web_client: the fingerprint of the browser client; None: there is none.
    :ivar minutes: the last hour; None where usage records are blurred to more than a minute.
    :ivar hours: the last day; None where usage records are blurred to more than an hour.
    :ivar days: the last month; None where the database does not answer.
    :ivar bounds: how often clients have met which bound in the last day.
    :ivar several_instances: whether the days include other instances.
    """

    time: float
    uptime_seconds: float
    version: str | None
    web_client: str | None
    now: CurrentConnections
    minutes: TimeSeries | None
    hours: TimeSeries | None
    days: TimeSeries | None
    bounds: Mapping[Bound, int]
    several_instances: bool


def blur_series(series: TimeSeries | None, blur_seconds: float | None) -> TimeSeries | None:
    """
    Blur a series as usage records are.

    :return: None where its steps are finer than that.
    """
    if series is None or blur_seconds is None:
        return series
    # Days come from usage records, whose times are blurred already.
    if series.step_seconds < min(blur_seconds, DAY):
        return None
    steps = [
        None if step is None else attrs.evolve(step, relayed=blur_size(step.relayed, blur_seconds))
        for step in series.steps
    ]
    return TimeSeries(series.step_seconds, tuple(steps))


def as_json(snapshot: StatusSnapshot) -> dict[str, Any]:
    """Return the values of the JSON document. Programs rely on its names."""
    return {
        "time": datetime.fromtimestamp(snapshot.time, UTC).isoformat(timespec="seconds"),
        "version": snapshot.version,
        "web_client": snapshot.web_client,
        "uptime_seconds": round(snapshot.uptime_seconds),
        "now": attrs.asdict(snapshot.now),
        "minutes": _series(snapshot.minutes),
        "hours": _series(snapshot.hours),
        "days": _series(snapshot.days),
        "bounds": {bound.value: snapshot.bounds.get(bound, 0) for bound in Bound},
    }


def _series(series: TimeSeries | None) -> dict[str, Any] | None:
    if series is None:
        return None
    return {
        "step_seconds": series.step_seconds,
        "total": _tally(series.total),
        "steps": [None if step is None else _tally(step) for step in series.steps],
    }


def _tally(tally: Tally) -> dict[str, Any]:
    return {
        "exchanges": {mood.value: tally.outcomes.get(mood, 0) for mood in Mood},
        "relay_sessions": tally.sessions,
        "relay_bytes": tally.relayed,
    }
