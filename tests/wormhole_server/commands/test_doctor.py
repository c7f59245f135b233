"""Tests of `wormhole_server.commands.doctor`, without connections."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_server.commands.runs import run
from wormhole_server.commands.command import ExitStatus, Terminal
from wormhole_server.commands.doctor import DOCTOR, Report, make_target, run_reactor
from wormhole_server.config.command_line import parse_command_line
from wormhole_server.config.sources import load
from wormhole_server.doctor.finding import failure, ok, warning
from wormhole_server.doctor.target import Target


class FakeReactor:
    """Runs as long as a test wants, or until it is stopped."""

    def __init__(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        self._meanwhile = meanwhile
        self._when_running: list[Callable[[], object]] = []
        self.stopped = False

    def callWhenRunning(self, call: Callable[[], object]) -> None:  # noqa: N802 - Twisted's
        self._when_running.append(call)

    def run(self) -> None:
        for call in self._when_running:
            call()
        self._meanwhile()

    def stop(self) -> None:
        self.stopped = True


class ArgumentTests(SynchronousTestCase):
    def target(self, *words: str) -> Target:
        """The target of a command line."""
        line = parse_command_line(words, DOCTOR.parameters)
        return make_target(load(line.flags, {}), line.arguments, 5)

    def test_defaults(self) -> None:
        """The addresses are those of the settings."""
        target = self.target("--public-host=example.org")
        self.assertEqual(target.relay_url, "ws://example.org:4000/v1")
        self.assertEqual(target.transit_helper, "tcp:example.org:4001")
        self.assertEqual(target.transit_websocket, "ws://example.org:4000/transit")
        self.assertEqual(target.clients, 5)

    def test_given(self) -> None:
        """The arguments override the settings; the relay over WebSocket follows the URL."""
        target = self.target("--relay-url=wss://a/v1", "--transit-helper=tcp:b:1")
        self.assertEqual(target.relay_url, "wss://a/v1")
        self.assertEqual(target.transit_helper, "tcp:b:1")
        self.assertEqual(target.transit_websocket, "wss://a/transit")
        self.assertEqual(
            self.target("--transit-websocket=wss://c/x").transit_websocket, "wss://c/x"
        )

    def test_none(self) -> None:
        """The relay over WebSocket can be skipped."""
        self.assertIsNone(self.target("--transit-websocket=none").transit_websocket)

    def test_invalid_clients(self) -> None:
        """A number of clients that is none is refused, and nothing is checked."""
        for number in ("many", "-1", "", "1" * 10, "٣"):
            if number:
                found = run(DOCTOR, f"--clients={number}")
                self.assertEqual((found.status, found.out), (ExitStatus.UNUSABLE, ""))
                self.assertIn("--clients: ", found.err)


class ReportTests(SynchronousTestCase):
    def report(self, out: Any, *, as_json: bool) -> Report:
        """A report to `out`."""
        return Report(Terminal({}, out, io.StringIO()), as_json=as_json)

    def test_lines(self) -> None:
        """Each finding is printed as soon as it is known; the status says whether a check failed."""
        out = io.StringIO()
        report = self.report(out, as_json=False)
        report.add(warning("disk", "is small", "make room"))
        self.assertEqual(out.getvalue(), "warn disk: is small\n       make room\n")
        self.assertEqual(report.finish(), ExitStatus.OK)
        report.add(failure("clock", "is wrong", "set it"))
        self.assertEqual(report.finish(), ExitStatus.FAILED)
        self.assertTrue(out.getvalue().endswith("1 of 2 checks failed.\n"))

    def test_encoding(self) -> None:
        """A terminal with UTF-8 gets marks, another one words."""
        for encoding, mark in (("utf-8", "✓"), ("UTF8", "✓"), ("ascii", "ok  ")):
            out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
            self.report(out, as_json=False).add(ok("disk", "fits"))
            written = out.buffer.getvalue().decode()
            self.assertEqual(written, f"{mark} disk: fits\n")

    def test_json(self) -> None:
        """As JSON, all findings are printed at the end."""
        out = io.StringIO()
        report = self.report(out, as_json=True)
        report.add(failure("clock", "is wrong", "set it"))
        self.assertEqual(out.getvalue(), "")
        self.assertEqual(report.finish(), ExitStatus.FAILED)
        self.assertFalse(json.loads(out.getvalue())["ok"])


class ReactorTests(SynchronousTestCase):
    def test_done(self) -> None:
        """The reactor runs until the work is done."""
        waited: Deferred[None] = Deferred()

        async def work() -> None:
            await waited

        reactor = FakeReactor(lambda: waited.callback(None))
        run_reactor(reactor, work())
        self.assertTrue(reactor.stopped)

    def test_error(self) -> None:
        """An error of the work is raised after the reactor has stopped."""

        async def work() -> None:
            raise ZeroDivisionError

        reactor = FakeReactor()
        self.assertRaises(ZeroDivisionError, run_reactor, reactor, work())
        self.assertTrue(reactor.stopped)

    def test_interrupted(self) -> None:
        """A reactor that is stopped before the work is done is an interruption."""

        async def work() -> None:
            await Deferred()

        self.assertRaises(KeyboardInterrupt, run_reactor, FakeReactor(), work())
