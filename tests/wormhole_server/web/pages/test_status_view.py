"""Tests of `wormhole_server.web.pages.status_view`."""

from __future__ import annotations

import re

import attrs
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.template import flattenString

from rendezvous.protocol.moods import Mood
from tests.wormhole_server.web.pages.support import SNAPSHOT, Outline
from wormhole_limits.bounds import Bound
from wormhole_server.metrics.history import DAY, Tally, TimeSeries
from wormhole_server.web.pages.formatting import OUTCOMES
from wormhole_server.web.pages.snapshot import StatusSnapshot
from wormhole_server.web.pages.status_view import StatusView


class StatusViewTests(SynchronousTestCase):
    def page(self, snapshot: StatusSnapshot) -> str:
        """Render the page."""
        return self.successResultOf(flattenString(None, StatusView(snapshot))).decode()

    def words(self, snapshot: StatusSnapshot) -> str:
        """Return the text of the page, with ordinary spaces."""
        words = " ".join(" ".join(Outline(self.page(snapshot)).words).split())
        return words.replace("\N{NO-BREAK SPACE}", " ").replace("\N{NARROW NO-BREAK SPACE}", " ")

    def test_figures(self) -> None:
        """The page has uptime, version, time, current connections and the figures of each section."""
        words = self.words(SNAPSHOT)
        for figure in (
            "Up for 1 minute 30 seconds, version 1.2.3",
            "As of 2024-10-04 00:01 UTC",
            "12 clients connected",
            "4 pairs on the relay",
            "3 waiting on the relay",
            "Last hour",
            "3 exchanges ended, 100 % completed",
            "2 relay sessions ended",
            "5.0 GiB relayed",
            "at most 3 per minute",
            "an hour ago",
            "30 minutes ago",
            "8.0 GiB",  # the axis
            "4.0 GiB",
        ):
            self.assertIn(figure, words)

    def test_counts(self) -> None:
        """One is written in the singular; without exchanges there is no share of completed ones."""
        for outcomes, expected in (
            ({}, "0 exchanges ended "),
            ({Mood.HAPPY: 1}, "1 exchange ended, 100 % completed"),
            ({Mood.SCARY: 2, Mood.HAPPY: 1}, "3 exchanges ended, 33 % completed"),
        ):
            days = TimeSeries(DAY, (Tally(outcomes, 1),))
            words = self.words(attrs.evolve(SNAPSHOT, minutes=None, hours=None, days=days))
            self.assertIn(expected, words)
            self.assertIn("1 relay session ended", words)

    def test_nothing(self) -> None:
        """A chart without bars says so."""
        days = TimeSeries(DAY, (Tally(),))
        words = self.words(attrs.evolve(SNAPSHOT, minutes=None, hours=None, days=days))
        self.assertIn("Exchanges none", words)
        self.assertIn("Relayed none", words)

    def test_no_version(self) -> None:
        """A version that is not to be shown is not there, nor is a word for it."""
        words = self.words(attrs.evolve(SNAPSHOT, version=None))
        self.assertIn("Up for 1 minute 30 seconds. As of", words)

    def test_bounds(self) -> None:
        """A sentence says how often clients have met which bound, the most frequent one first."""
        sentence = (
            "In the last day clients have met a limit 1 234 times: stored 1 200, relay waiting 34."
        )
        self.assertIn(sentence, self.words(SNAPSHOT))
        for met, sentence in (
            ({Bound.DISK: 1}, "In the last day clients have met a limit 1 time: disk 1."),
            ({Bound.DISK: 0}, "In the last day no client has met a limit."),
            ({}, "In the last day no client has met a limit."),
        ):
            self.assertIn(sentence, self.words(attrs.evolve(SNAPSHOT, bounds=met)))

    def test_legend(self) -> None:
        """The legend names every outcome, and unknown steps where there are any."""
        words = self.words(SNAPSHOT)
        for word in OUTCOMES.values():
            self.assertIn(word, words)
        self.assertIn("before this process started", words)
        known = attrs.evolve(SNAPSHOT, minutes=None)
        self.assertNotIn("before this process started", self.words(known))

    def test_sources(self) -> None:
        """The page says where the figures come from, and which include other instances."""
        alone = self.words(SNAPSHOT)
        self.assertIn("Per minute, counted since the start", alone)
        self.assertNotIn("instances", alone)
        several = self.words(attrs.evolve(SNAPSHOT, several_instances=True))
        self.assertIn("Per hour, counted by this process since it started", several)
        self.assertIn("Per day in UTC, from the usage records of all instances", several)

    def test_missing(self) -> None:
        """Days that are missing are missed; series that are left out are not."""
        missing = "The last 30 days are not available"
        self.assertNotIn(missing, self.words(attrs.evolve(SNAPSHOT, minutes=None)))
        self.assertIn(missing, self.words(attrs.evolve(SNAPSHOT, days=None)))

    def test_table(self) -> None:
        """The table has a column for each section, and exact figures."""
        page = self.page(SNAPSHOT)
        self.assertEqual(
            re.findall('<th scope="col">(.*?)</th>', page),
            ["Exchanges", "Last hour", "Last day", "Last 30 days"],
        )
        self.assertIn('<th scope="row">all exchanges</th><td>3</td><td>3</td><td>3</td>', page)
