"""Tests of the load's command, on a reactor without a network."""

import contextlib
import io
import re

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_client.fakes import (
    FakeAttempt,
    FakeRelay,
    FakeTransport,
    ResolvingReactor,
    UnresolvingReactor,
    upgrade,
)
from wormhole_client.commands.load import load
from wormhole_client.commands.options import make_parser

SERVER = ("--relay-url=ws://nowhere.example/v1", "--transit-helper=tcp:nowhere.example:4001")
WELCOME = b'{"type":"welcome","welcome":{}}'
CLOSE_FRAME = b"\x88"  # its first byte


class LoadCommandTests(SynchronousTestCase):
    def run_load(self, *arguments: str) -> tuple[Deferred[None], str]:
        reactor = UnresolvingReactor()
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
            options = make_parser().parse_args(["load", *SERVER, *arguments])
            running = Deferred.fromCoroutine(load(reactor, options))
            for _ in range(10):
                reactor.advance(1)
        return running, out.getvalue()

    def test_failures(self) -> None:
        """Each kind of load is a row, each reason of a failure a line; the exit status is 1."""
        running, out = self.run_load("--exchanges=2", "--pairs=3", "--idle=4", "--concurrency=2")
        self.assertEqual(self.failureResultOf(running, SystemExit).value.code, 1)
        lines = out.splitlines()
        rows = [line.rsplit(maxsplit=6)[:3] for line in lines[1:4]]
        self.assertEqual(
            rows, [["idle clients", "0", "4"], ["exchanges", "0", "2"], ["relay pairs", "0", "3"]]
        )
        self.assertIn("4 × idle clients: ServerConnectionError", out)
        self.assertIn("3 × relay pairs: TransitError", out)

    def test_nothing(self) -> None:
        """Without a load the table is empty, and nothing has failed."""
        running, out = self.run_load()
        self.successResultOf(running)
        self.assertEqual(len(out.splitlines()), 1)


class ConnectedLoadTests(SynchronousTestCase):
    """Every name resolves, and the test makes the connections."""

    def setUp(self) -> None:
        self.reactor = ResolvingReactor()
        self.out, self.err = io.StringIO(), io.StringIO()
        self.enterContext(contextlib.redirect_stdout(self.out))
        self.enterContext(contextlib.redirect_stderr(self.err))

    def begin(self, *arguments: str) -> Deferred[None]:
        options = make_parser().parse_args(["load", *SERVER, *arguments])
        running = Deferred.fromCoroutine(load(self.reactor, options))
        self.reactor.advance(1)
        return running

    def connect(self) -> tuple[FakeAttempt, FakeTransport]:
        """Accept the one connection attempt to the rendezvous server."""
        [attempt] = self.reactor.take_attempts()
        transport = upgrade(attempt, WELCOME)
        self.reactor.advance(1)
        transport.clear()
        return attempt, transport

    def row(self) -> list[str]:
        """Take the first row of the table apart: what, how many succeeded, how many failed."""
        match = re.match(r"(\D+?) +(\d+) +(\d+) ", self.out.getvalue().splitlines()[1])
        return [] if match is None else list(match.groups())

    def end(self, attempt: FakeAttempt, transport: FakeTransport) -> None:
        """End a connection after the close frame that the client has sent."""
        self.assertEqual(transport.value()[:1], CLOSE_FRAME)
        attempt.protocol.connectionLost(Failure(ConnectionDone()))
        self.reactor.advance(1)

    def test_idle(self) -> None:
        """Idle clients are held for as long as asked, and then closed."""
        running = self.begin("--idle=1", "--hold=25")
        attempt, transport = self.connect()
        self.assertIn("holding 1 idle clients for 25", self.err.getvalue())
        self.reactor.pump([1] * 20)
        self.assertEqual(transport.value(), b"")
        self.reactor.pump([1] * 10)
        self.end(attempt, transport)
        self.successResultOf(running)
        self.assertEqual(self.row(), ["idle clients", "1", "0"])

    def test_idle_lost(self) -> None:
        """Idle clients that lost their connection are counted, and the exit status is 1."""
        running = self.begin("--idle=1", "--hold=25")
        attempt, _ = self.connect()
        attempt.protocol.connectionLost(Failure(ConnectionLost()))
        self.reactor.pump([1] * 10)
        attempt, transport = self.connect()
        self.reactor.pump([1] * 20)
        self.end(attempt, transport)
        self.assertEqual(self.failureResultOf(running, SystemExit).value.code, 1)
        self.assertIn("1 idle clients lost their connection", self.err.getvalue())

    def test_stopped(self) -> None:
        """A load that is stopped prints what it has measured until then."""
        running = self.begin("--idle=1", "--hold=60")
        attempt, transport = self.connect()
        running.cancel()
        self.reactor.pump([1] * 10)
        self.end(attempt, transport)
        self.failureResultOf(running, CancelledError)
        self.assertEqual(self.row(), ["idle clients", "1", "0"])

    def test_pairs(self) -> None:
        """A pair that moved its bytes through the relay is a success."""
        running = self.begin("--pairs=1", "--size=100000")
        first, second = self.reactor.take_attempts()
        self.assertEqual([first.address[1], second.address[1]], [4001, 4001])
        relay = FakeRelay(first, second)
        for _ in range(5):
            relay.run()
            self.reactor.advance(1)
        self.successResultOf(running)
        self.assertEqual(self.row(), ["relay pairs", "1", "0"])
