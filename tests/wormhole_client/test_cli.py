"""Tests of the command line: how each error is reported, and the exit status."""

import argparse
import contextlib
import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from types import FunctionType
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import CannotListenError, ConnectingCancelledError, DNSLookupError
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from wormhole_client import cli
from wormhole_client.commands.options import _COMMANDS
from wormhole_client.errors import LonelyError, ServerError, WrongPasswordError
from wormhole_client.transfers.session import PeerError
from wormhole_client.transit.race import NoConnectionError
from wormhole_twisted.internals import SteadyClock


class CommandTests(SynchronousTestCase):
    def test_load(self) -> None:
        """Each command of the command line is found."""
        for name in _COMMANDS:
            with self.subTest(name=name):
                self.assertIs(type(cli.load_command(name)), FunctionType)

    @pytest.mark.processes
    def test_imports(self) -> None:
        """A transfer imports nothing that takes time and that most transfers do without."""
        program = (
            "import sys; sys.argv = ['wormhole-client', 'send']\n"
            "from wormhole_client.__main__ import main\n"
            "try: main()\n"
            "finally: print(sorted({'autobahn.nvx', 'importlib.metadata', 'segno', 'tqdm',"
            " 'twisted.internet.reactor', 'twisted.web.http'} & set(sys.modules)))"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=False
        )
        self.assertIn("give either a file or directory", done.stderr)
        self.assertEqual(done.stdout.strip(), "['twisted.internet.reactor']")


class StatusTests(SynchronousTestCase):
    def run_with(self, error: BaseException | None) -> tuple[object, str]:
        async def command(_: Any, __: argparse.Namespace) -> None:
            if error is not None:
                raise error

        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            running = Deferred.fromCoroutine(cli.run(Clock(), command, argparse.Namespace()))
        if error is None:
            return self.successResultOf(running), said.getvalue()
        exit_ = self.failureResultOf(running, SystemExit).value
        return getattr(exit_, "code", None), said.getvalue()

    def test_success(self) -> None:
        """Success prints no line of its own."""
        self.assertEqual(self.run_with(None), (None, ""))

    def test_failures(self) -> None:
        """Each expected error is one line, and exit status 1."""
        for error, word in (
            (LonelyError("x"), "did not come"),
            (WrongPasswordError("the codes differ"), "codes differ"),
            (Refused(), "refused"),
            (DNSLookupError("no such name"), "no such name"),
            (NoConnectionError("no connection within 60 seconds"), "60 seconds"),
            (CannotListenError("127.0.0.1", 9401, OSError("in use")), "9401"),
            (ServerError("crowded"), "two others"),
            (ServerError("internal error"), "says internal error"),
            (PeerError("the other end reports: \nwormhole-client: all is well\x1b[2J"), "\\x1b"),
            (ServerError("no\r\u202e"), "no\\r\\u202e"),
            (PermissionError(13, "Permission denied"), "Permission denied"),
        ):
            with self.subTest(error=error):
                status, said = self.run_with(error)
                self.assertEqual((status, len(said.splitlines())), (1, 1))
                self.assertIn(word, said)

    def test_interrupted(self) -> None:
        """An interrupt has the exit status that shells report for it."""
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

        running = cli.start(reactor, command, argparse.Namespace())
        [(interrupt, _, __)] = reactor.triggers["before"]["shutdown"]
        stopping = interrupt()
        self.assertNoResult(stopping)
        cleaning.callback(None)
        self.assertIsNone(self.successResultOf(stopping))
        self.failureResultOf(running, SystemExit)

    def test_interrupted_in_any_state(self) -> None:
        """An interrupted command prints no error, whatever its network makes of the cancellation."""
        for error in (ConnectingCancelledError(None), OSError("gone"), LonelyError("x")):
            with self.subTest(error=error):
                reactor = MemoryReactorClock()

                async def command(_: Any, __: argparse.Namespace, error: Exception = error) -> None:
                    await Deferred[None](lambda waiting: waiting.errback(error))

                said = io.StringIO()
                with contextlib.redirect_stderr(said):
                    running = cli.start(reactor, command, argparse.Namespace())
                    [(interrupt, _, __)] = reactor.triggers["before"]["shutdown"]
                    interrupt()
                self.assertEqual(self.failureResultOf(running, SystemExit).value.code, 130)
                self.assertEqual(said.getvalue(), "")


class MainTests(SynchronousTestCase):
    def test_second_interrupt(self) -> None:
        """The first interrupt stops the reactor; a second one ends the process."""
        interrupted: list[int] = []
        self.addCleanup(signal.signal, signal.SIGINT, signal.getsignal(signal.SIGINT))
        signal.signal(signal.SIGINT, lambda number, _: interrupted.append(number))
        cli.end_at_second_interrupt()
        self.patch(os, "_exit", interrupted.append)
        signal.raise_signal(signal.SIGINT)
        self.assertEqual(interrupted, [signal.SIGINT])
        signal.raise_signal(signal.SIGINT)
        self.assertEqual(interrupted[:2], [signal.SIGINT, cli.INTERRUPTED])

    def test_ignored_interrupt(self) -> None:
        """A client that was started with SIGINT ignored, as behind `&` in a shell, goes on to ignore it."""
        self.addCleanup(signal.signal, signal.SIGINT, signal.getsignal(signal.SIGINT))
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        cli.end_at_second_interrupt()
        self.assertIs(signal.getsignal(signal.SIGINT), signal.SIG_IGN)

    def test_steady_clock(self) -> None:
        """Durations and timers run by a clock that does not jump, and the arguments are the command."""
        reactor = MemoryReactorClock()
        started: list[argparse.Namespace] = []

        async def command(_: Any, options: argparse.Namespace) -> None:
            started.append(options)

        def react(main: Callable[[Any], Deferred[None]]) -> None:
            done = main(reactor)
            # The reactor does not run yet, and an interrupt would not be handled.
            self.assertEqual(started, [])
            reactor.advance(0)
            self.successResultOf(done)

        self.addCleanup(signal.signal, signal.SIGINT, signal.getsignal(signal.SIGINT))
        self.patch(cli, "load_command", lambda _: command)
        self.patch(cli, "react", react)
        self.patch(sys, "argv", ["wormhole-client", "send", "--text=hello"])
        cli.main()
        self.assertEqual(started[0].text, "hello")
        self.assertIsInstance(reactor.seconds, SteadyClock)

    def test_interrupted_before_the_reactor_runs(self) -> None:
        """An interrupt before the reactor handles it ends the program quietly, with its status."""

        def react(_: object) -> None:
            raise KeyboardInterrupt

        self.patch(cli, "react", react)
        self.patch(sys, "argv", ["wormhole-client", "send", "--text=hello"])
        self.assertEqual(self.assertRaises(SystemExit, cli.main).code, cli.INTERRUPTED)
