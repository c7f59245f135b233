"""Tests of the check's command, on a reactor without a network."""

import argparse
import contextlib
import io
import json

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_client.fakes import FakeRelay, ResolvingReactor, UnresolvingReactor
from wormhole_client.commands.check import check
from wormhole_client.commands.options import make_parser

SERVER = ("--relay-url=ws://nowhere.example/v1", "--transit-helper=tcp:nowhere.example:4001")


class CheckCommandTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = UnresolvingReactor()
        self.out, self.err = io.StringIO(), io.StringIO()

    def begin(self, *arguments: str) -> Deferred[None]:
        options: argparse.Namespace = make_parser().parse_args(["check", *SERVER, *arguments])
        running = Deferred.fromCoroutine(check(self.reactor, options))
        for _ in range(5):
            self.reactor.advance(1)
        return running

    def test_lines(self) -> None:
        """Each step is a line, failures have advice, and the exit status is 1."""
        with contextlib.redirect_stdout(self.out):
            running = self.begin()
        self.assertEqual(self.failureResultOf(running, SystemExit).value.code, 1)
        lines = self.out.getvalue().splitlines()
        self.assertTrue(lines[0].startswith("✘ name"), lines)
        self.assertIn("advice: the name does not resolve", lines[1])
        self.assertIn("– TCP: needs name", lines)

    def test_json(self) -> None:
        """With --json the report is one JSON object, and nothing else."""
        with contextlib.redirect_stdout(self.out):
            running = self.begin("--json")
        self.assertEqual(self.failureResultOf(running, SystemExit).value.code, 1)
        report = json.loads(self.out.getvalue())
        self.assertFalse(report["ok"])
        self.assertEqual(report["steps"][0]["step"], "name")

    def test_watch(self) -> None:
        """With --watch metrics are served, and failures are reported at each interval."""
        with contextlib.redirect_stderr(self.err), contextlib.redirect_stdout(self.out):
            running = self.begin("--watch=60", "--metrics=tcp:9401")
            self.assertEqual([each[0] for each in self.reactor.tcpServers], [9401])
            self.reactor.advance(60)
            running.cancel()
        self.failureResultOf(running, CancelledError)
        reported = self.err.getvalue()
        self.assertTrue(reported.startswith("metrics at "), reported)
        self.assertEqual(reported.count("✘ name"), 2)
        self.assertEqual(self.out.getvalue(), "")


class PartlyUpTests(SynchronousTestCase):
    """A server whose relay works, and whose rendezvous port refuses connections."""

    def report(self, *arguments: str) -> str:
        reactor, out = ResolvingReactor(), io.StringIO()
        with contextlib.redirect_stdout(out):
            options = make_parser().parse_args(["check", *SERVER, *arguments])
            running = Deferred.fromCoroutine(check(reactor, options))
            reactor.advance(1)
            [rendezvous] = reactor.take_attempts()
            rendezvous.factory.clientConnectionFailed(None, Failure(Refused()))
            reactor.advance(1)
            relay = FakeRelay(*reactor.take_attempts())
            reactor.advance(0)
            relay.run()
        self.assertEqual(self.failureResultOf(running, SystemExit).value.code, 1)
        return out.getvalue()

    def test_lines(self) -> None:
        """What works is marked as such, with what was found."""
        lines = self.report("--idle=0", "--size=100000").splitlines()
        self.assertIn("✔ name (1000 ms): 192.0.2.1", lines)
        self.assertTrue(any(line.startswith("✘ TCP: ") for line in lines), lines)
        self.assertTrue(any(line.startswith("✔ relay over TCP ") for line in lines), lines)

    def test_json(self) -> None:
        """One failed step makes the whole report one of a failure."""
        report = json.loads(self.report("--idle=0", "--size=100000", "--json"))
        self.assertFalse(report["ok"])
        results = {step["step"]: step["ok"] for step in report["steps"]}
        self.assertEqual((results["TCP"], results["relay over TCP"]), (False, True))
