"""The command line: what is accepted, and how each failure is told."""

import argparse
import contextlib
import io
import os
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.error import DNSLookupError
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from wormhole_client import cli
from wormhole_client.errors import LonelyError, WrongPasswordError
from wormhole_client.options import parser
from wormhole_client.race import NobodyCame


class OptionTests(SynchronousTestCase):
    def parse(self, *arguments: str) -> argparse.Namespace:
        return parser().parse_args(arguments)

    def refused(self, *arguments: str) -> str:
        said = io.StringIO()
        with contextlib.redirect_stderr(said), self.assertRaises(SystemExit) as caught:
            self.parse(*arguments)
        self.assertEqual(caught.exception.code, 2)
        return said.getvalue()

    def test_defaults(self) -> None:
        """Without options it is the server on this machine."""
        self.patch(os, "environ", {})
        options = self.parse("send", "x")
        self.assertEqual(options.relay_url, "ws://127.0.0.1:4000/v1")
        self.assertEqual(str(options.transit_helper.hints[0]), "tcp:127.0.0.1:4001")
        self.assertTrue(options.listen)

    def test_environment(self) -> None:
        """The variables that the other clients know count here too; a flag beats them."""
        self.patch(
            os,
            "environ",
            {"WORMHOLE_RELAY_URL": "wss://x/v1", "WORMHOLE_TRANSIT_HELPER": "tcp:y:1"},
        )
        options = self.parse("receive", "--transit-helper=tcp:z:2")
        self.assertEqual(options.relay_url, "wss://x/v1")
        self.assertEqual(str(options.transit_helper.hints[0]), "tcp:z:2")

    def test_refused(self) -> None:
        """A value that makes no sense is refused in a line that says what is expected."""
        for arguments, word in (
            (["send", "--relay-url=http://x"], "ws://"),
            (["send", "--transit-helper=x"], "tcp:HOST:PORT"),
            (["send", "--code=a b"], "spaces"),
            (["send", "--code-length=0"], "above 0"),
            (["receive", "four-a-b"], "number"),
            (["check", "--metrics=9401"], "tcp:9401"),
            (["load", "--exchanges=many"], "above 0"),
            ([], "COMMAND"),
        ):
            with self.subTest(arguments=arguments):
                self.assertIn(word, self.refused(*arguments))


class StatusTests(SynchronousTestCase):
    def run_with(self, error: BaseException | None) -> tuple[object, str]:
        async def command(_: Any, __: argparse.Namespace) -> None:
            if error is not None:
                raise error

        self.patch(cli, "COMMANDS", {"send": command})
        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            running = Deferred.fromCoroutine(cli.run(Clock(), argparse.Namespace(command="send")))
        if error is None:
            return self.successResultOf(running), said.getvalue()
        exit_ = self.failureResultOf(running, SystemExit).value
        return getattr(exit_, "code", None), said.getvalue()

    def test_success(self) -> None:
        """Success says nothing by itself."""
        self.assertEqual(self.run_with(None), (None, ""))

    def test_failures(self) -> None:
        """Each thing that can go wrong is one line and status 1."""
        for error, word in (
            (LonelyError("x"), "never came"),
            (WrongPasswordError("the codes differ"), "codes differ"),
            (Refused(), "refused"),
            (DNSLookupError("no such name"), "no such name"),
            (NobodyCame("no connection within 60 seconds"), "60 seconds"),
            (PermissionError(13, "Permission denied"), "Permission denied"),
        ):
            with self.subTest(error=error):
                status, said = self.run_with(error)
                self.assertEqual((status, len(said.splitlines())), (1, 1))
                self.assertIn(word, said)

    def test_interrupted(self) -> None:
        """An interrupt has the status that shells know."""
        self.assertEqual(self.run_with(CancelledError()), (130, ""))

    def test_interrupt_cleans_up(self) -> None:
        """Stopping the reactor cancels the command, and waits until it has cleaned up."""
        reactor = MemoryReactorClock()
        cleaning: Deferred[None] = Deferred()

        async def command(_: Any, __: argparse.Namespace) -> None:
            try:
                await Deferred()
            finally:
                await cleaning

        self.patch(cli, "COMMANDS", {"send": command})
        running = cli.start(reactor, argparse.Namespace(command="send"))
        [(interrupt, _, __)] = reactor.triggers["before"]["shutdown"]
        stopping = interrupt()
        self.assertNoResult(stopping)
        cleaning.callback(None)
        self.assertIsNone(self.successResultOf(stopping))
        self.failureResultOf(running, SystemExit)
