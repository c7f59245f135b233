"""Tests of `wormhole_server.log`."""

from __future__ import annotations

import io

from twisted.logger import Logger
from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.log import Threshold, observer


class ObserverTests(SynchronousTestCase):
    def setUp(self) -> None:
        """A logger whose events go to a stream."""
        self.stream = io.StringIO()
        self.threshold = Threshold("info")
        self.log = Logger("some.where", observer=observer(self.stream, self.threshold))

    def test_line(self) -> None:
        """An event is a line with its time, level and origin."""
        self.log.warn("{count} of them", count=3)
        self.assertRegex(
            self.stream.getvalue(),
            r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S* warn some\.where: 3 of them\n$",
        )

    def test_level(self) -> None:
        """What is less grave than the level is left out."""
        self.log.debug("small talk")
        self.log.info("news")
        self.assertNotIn("small talk", self.stream.getvalue())
        self.assertIn("news", self.stream.getvalue())

    def test_another_level(self) -> None:
        """The level can be changed at any time, both ways."""
        self.threshold.set("debug")
        self.log.debug("small talk")
        self.threshold.set("error")
        self.log.warn("a warning")
        self.assertIn("small talk", self.stream.getvalue())
        self.assertNotIn("a warning", self.stream.getvalue())

    def test_one_line(self) -> None:
        """Nothing that gets into a message leaves its line, or reaches the terminal as a command."""
        self.log.info("{what}", what="a\nb\x1b[31m\x85")
        (line,) = self.stream.getvalue().splitlines()
        self.assertTrue(line.endswith(r"a\u000ab\u001b[31m\u0085"), line)

    def test_traceback(self) -> None:
        """A traceback follows, indented."""
        try:
            raise ZeroDivisionError("over nothing")
        except ZeroDivisionError:
            self.log.failure("it failed")
        first, *rest = self.stream.getvalue().splitlines()
        self.assertTrue(first.endswith("critical some.where: it failed"), first)
        self.assertIn("over nothing", rest[-1])
        for line in rest:
            self.assertTrue(line.startswith("    "), line)
