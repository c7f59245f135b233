"""Tests of `wormhole_server.web.pages.snapshot`."""

from __future__ import annotations

import json

import attrs
from twisted.trial.unittest import SynchronousTestCase

from rendezvous.protocol.moods import Mood
from tests.wormhole_server.web.pages.support import SNAPSHOT
from wormhole_limits.bounds import Bound
from wormhole_server.metrics.history import DAY, HOUR, MINUTE, Tally, TimeSeries
from wormhole_server.web.pages.snapshot import as_json, blur_series


def series(step_seconds: int) -> TimeSeries:
    """Return a series with a step that is unknown."""
    return TimeSeries(step_seconds, (None, Tally({Mood.HAPPY: 1}, 2, 123_456)))


class BlurTests(SynchronousTestCase):
    def test_not_blurred(self) -> None:
        """Without --blur-usage nothing is changed; a series that does not exist stays so."""
        self.assertEqual(blur_series(series(MINUTE), None), series(MINUTE))
        self.assertIsNone(blur_series(None, None))
        self.assertIsNone(blur_series(None, 60.0))

    def test_sizes(self) -> None:
        """Bytes are rounded; outcomes and sessions are not, and unknown steps stay unknown."""
        blurred = blur_series(series(MINUTE), 60.0)
        assert blurred is not None
        self.assertEqual(blurred.steps, (None, Tally({Mood.HAPPY: 1}, 2, 130_000)))

    def test_steps(self) -> None:
        """A series whose steps are finer than the blur is left out; days never are."""
        for step_seconds, blur_seconds, shown in (
            (MINUTE, 60.0, True),
            (MINUTE, 60.5, False),
            (HOUR, 3600.0, True),
            (HOUR, 3601.0, False),
            (DAY, 7.0 * DAY, True),
        ):
            blurred = blur_series(series(step_seconds), blur_seconds)
            self.assertEqual(blurred is not None, shown, (step_seconds, blur_seconds))


class JsonTests(SynchronousTestCase):
    def test_document(self) -> None:
        """The document has the names and units that programs rely on."""
        outcomes = {mood.value: 0 for mood in Mood}
        tally = {"exchanges": {**outcomes, "happy": 3}, "relay_sessions": 2, "relay_bytes": 5 << 30}
        self.assertEqual(
            json.loads(json.dumps(as_json(attrs.evolve(SNAPSHOT, days=None)))),
            {
                "time": "2024-10-04T00:01:30+00:00",
                "version": "1.2.3",
                "web_client": None,
                "uptime_seconds": 90,
                "now": {"clients": 12, "waiting": 3, "pairs": 4},
                "minutes": {"step_seconds": 60, "total": tally, "steps": [None, tally]},
                "hours": {"step_seconds": 3600, "total": tally, "steps": [tally]},
                "days": None,
                "bounds": {
                    **{bound.value: 0 for bound in Bound},
                    "stored": 1200,
                    "relay_waiting": 34,
                },
            },
        )
