"""Tests of `wormhole_server.lifecycle.log`."""

from __future__ import annotations

import io
import json
import os
import time
from datetime import UTC, datetime, timedelta

from twisted.logger import Logger
from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.config.groups.running import LogFormat, RunningSettings
from wormhole_server.lifecycle.log import LogOutput


class LogOutputCase(SynchronousTestCase):
    """A logger whose events go to a stream."""

    FORMAT = LogFormat.AUTO
    JOURNAL = False

    def setUp(self) -> None:
        """Begin with the level info."""
        self.stream = io.StringIO()
        settings = RunningSettings(log_format=self.FORMAT)
        self.output = LogOutput(self.stream, settings, journal=self.JOURNAL)
        self.log = self.logger("some.where")

    def logger(self, namespace: str) -> Logger:
        """A logger for another part of the program."""
        return Logger(namespace, observer=self.output.observer)

    def log_failure(self) -> None:
        """Log a failure with its traceback."""
        try:
            raise ZeroDivisionError("over nothing")
        except ZeroDivisionError:
            self.log.failure("it failed")

    def lines(self) -> list[str]:
        """What was written since the last call."""
        lines = self.stream.getvalue().splitlines()
        self.stream.seek(0)
        self.stream.truncate()
        return lines


class LevelTests(LogOutputCase):
    def test_level(self) -> None:
        """Events below the level are left out."""
        self.log.debug("small talk")
        self.log.info("news")
        (line,) = self.lines()
        self.assertIn("news", line)

    def test_another_level(self) -> None:
        """The level can be raised and lowered at any time."""
        self.output.change(RunningSettings(log_level="debug"))
        self.log.debug("small talk")
        self.output.change(RunningSettings(log_level="error"))
        self.log.warn("a warning")
        (line,) = self.lines()
        self.assertIn("small talk", line)

    def test_twisted(self) -> None:
        """Of Twisted itself only warnings are written, and everything where the level is debug."""
        for level, written in (("info", ["b"]), ("error", []), ("debug", ["a", "b"])):
            self.output.change(RunningSettings(log_level=level))
            for namespace in ("log_legacy", "twisted.internet.base"):
                self.logger(namespace).info("a")
                self.logger(namespace).warn("b")
                self.assertEqual([line[-1] for line in self.lines()], written)
        self.output.change(RunningSettings())
        self.logger("twistedly").info("a")
        self.assertEqual(len(self.lines()), 1)

    def test_informal(self) -> None:
        """Only a text for people, with its news, may have other lines between its own."""
        for level, form, informal in (
            ("info", LogFormat.AUTO, True),
            ("debug", LogFormat.TEXT, True),
            ("warn", LogFormat.TEXT, False),
            ("info", LogFormat.JSON, False),
            ("info", LogFormat.JOURNAL, False),
        ):
            self.output.change(RunningSettings(log_level=level, log_format=form))
            self.assertIs(self.output.is_informal, informal)

    def test_another_format(self) -> None:
        """The format can change at any time."""
        for form, start in (
            (LogFormat.JSON, "{"),
            (LogFormat.JOURNAL, "<6>"),
            (LogFormat.AUTO, "20"),
        ):
            self.output.change(RunningSettings(log_format=form))
            self.log.info("news")
            (line,) = self.lines()
            self.assertTrue(line.startswith(start), line)


class TextTests(LogOutputCase):
    def test_line(self) -> None:
        """An event is a line with its time, level and origin."""
        self.log.warn("{count} of them", count=3)
        (line,) = self.lines()
        self.assertRegex(line, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S* warn some\.where: 3 of them$")

    def test_one_line(self) -> None:
        """Control characters in a message are escaped: one event is one line."""
        self.log.info("{what}", what="a\nb\x1b[31m\x85")
        (line,) = self.lines()
        self.assertTrue(line.endswith(r"a\u000ab\u001b[31m\u0085"), line)

    def test_traceback(self) -> None:
        """A traceback follows, indented."""
        self.log_failure()
        first, *rest = self.lines()
        self.assertTrue(first.endswith("critical some.where: it failed"), first)
        self.assertIn("over nothing", rest[-1])
        for line in rest:
            self.assertTrue(line.startswith("    "), line)

    def test_error(self) -> None:
        """An error message of the program has its name, and no time."""
        self.output.change(RunningSettings(log_level="critical"))
        self.output.say("no")
        self.assertEqual(self.lines(), ["wormhole-server: no"])


class JournalTests(LogOutputCase):
    JOURNAL = True

    def test_priorities(self) -> None:
        """Each level has its priority, and a line no time of its own."""
        self.output.change(RunningSettings(log_level="debug"))
        for write in (self.log.debug, self.log.info, self.log.warn, self.log.error):
            write("news")
        self.log.critical("news")
        self.assertEqual(self.lines(), [f"<{each}>some.where: news" for each in (7, 6, 4, 3, 2)])

    def test_traceback(self) -> None:
        """Each line of a traceback is an entry of the same priority."""
        self.log_failure()
        lines = self.lines()
        self.assertIn("over nothing", lines[-1])
        self.assertEqual([line for line in lines if not line.startswith("<2>")], [])

    def test_error(self) -> None:
        """An error message of the program has its priority."""
        self.output.say("no")
        self.assertEqual(self.lines(), ["<3>wormhole-server: no"])


class JsonTests(LogOutputCase):
    FORMAT = LogFormat.JSON

    def setUp(self) -> None:
        """The machine is ten hours from UTC."""
        super().setUp()
        before = os.environ.get("TZ")
        self.addCleanup(self.set_zone, before)
        self.set_zone("XXX-10")

    def set_zone(self, zone: str | None) -> None:
        """Set the time zone of this process."""
        os.environ.pop("TZ", None)
        if zone is not None:
            os.environ["TZ"] = zone
        time.tzset()

    def test_object(self) -> None:
        """An event is an object on one line, whatever its message holds."""
        before = datetime.now(UTC)
        self.log.warn("{what}", what='a"\nb\x1b\x85\ud800')
        (line,) = self.lines()
        self.assertTrue(line.isascii())
        record = json.loads(line)
        day = record.pop("time")
        self.assertRegex(day, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertLess(abs(datetime.fromisoformat(day) - before), timedelta(minutes=5))
        self.assertEqual(
            record, {"level": "warn", "logger": "some.where", "message": 'a"\nb\x1b\x85\ud800'}
        )

    def test_traceback(self) -> None:
        """A traceback is a field of its event."""
        self.log_failure()
        (line,) = self.lines()
        record = json.loads(line)
        self.assertEqual((record["level"], record["message"]), ("critical", "it failed"))
        self.assertIn("ZeroDivisionError: over nothing", record["traceback"])

    def test_error(self) -> None:
        """An error message of the program is an object, whatever the level."""
        self.output.change(RunningSettings(log_format=LogFormat.JSON, log_level="critical"))
        self.output.say("no")
        (line,) = self.lines()
        record = json.loads(line)
        self.assertEqual(
            (record["level"], record["logger"], record["message"]),
            ("error", "wormhole-server", "no"),
        )
