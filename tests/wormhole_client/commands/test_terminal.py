"""Tests of the terminal."""

import contextlib
import io
import os
import pty
import readline
import sys
import termios
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_client.fakes import PromptReactor, World
from wormhole_client.commands.terminal import (
    LONGEST_LINE,
    ProgressBar,
    ask,
    completions,
    printable,
    say,
    show,
    type_code,
)
from wormhole_client.errors import BadCodeError, WelcomeError
from wormhole_client.transfers.session import TransferError


class Terminal(io.StringIO):
    """An output that is a terminal."""

    encoding = "latin-1"  # one that lacks most letters

    def isatty(self) -> bool:
        return True


class OutputTests(SynchronousTestCase):
    def test_say(self) -> None:
        """A line for the user goes to standard error, and stays one line."""
        err, out = io.StringIO(), io.StringIO()
        with contextlib.redirect_stderr(err), contextlib.redirect_stdout(out):
            say("hello\nwormhole-client: all is well\r\x1b[2J")
        expected = "hello\\nwormhole-client: all is well\\r\\x1b[2J\n"
        self.assertEqual((err.getvalue(), out.getvalue()), (expected, ""))

    def test_say_long(self) -> None:
        """What others wrote cannot fill the screen: a line is cut, and the user told how much is missing."""
        err = io.StringIO()
        with contextlib.redirect_stderr(err):
            say("x" * LONGEST_LINE)
            say("x" * (LONGEST_LINE + 5))
        line = "x" * LONGEST_LINE
        self.assertEqual(err.getvalue(), f"{line}\n{line} … (5 more characters)\n")

    def test_printable(self) -> None:
        """Letters of all languages are kept; what commands a terminal or turns text is shown."""
        kept = "héllo 世界\xa0مرحبا 👩\u200d🔬 می\u200cخواهم"
        self.assertEqual(printable(kept), kept)
        for hidden, shown in (
            ("\x07", "\\x07"),
            ("\x7f", "\\x7f"),
            ("\x9b2J", "\\x9b2J"),
            ("\u202e", "\\u202e"),
            ("\u2066", "\\u2066"),
            ("\u2028", "\\u2028"),
            ("\ud800", "\\ud800"),
            ("\n", "\\n"),
        ):
            self.assertEqual(printable(f"a{hidden}b"), f"a{shown}b")

    def test_show(self) -> None:
        """A received text is as it was received, but on a terminal it cannot command that."""
        text = "first\r\n\tsecond \x1b]0;title\x07\u202e 世"
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            show(text)
        self.assertEqual(out.getvalue(), text + "\n")
        terminal = Terminal()
        with contextlib.redirect_stdout(terminal):
            show(text)
        expected = "first\n\tsecond \\x1b]0;title\\x07\\u202e \\u4e16\n"
        self.assertEqual(terminal.getvalue(), expected)

    def test_closed(self) -> None:
        """A process that was started without outputs prints nothing, and goes on."""
        self.patch(sys, "stdout", None)
        self.patch(sys, "stderr", None)
        say("hello")
        show("hello")


class InputTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = PromptReactor()
        self.err = io.StringIO()

    def open_input(self, descriptor: int) -> None:
        stdin = os.fdopen(descriptor)
        self.addCleanup(stdin.close)
        self.patch(sys, "stdin", stdin)

    def give_input(self, text: str) -> None:
        reading, writing = os.pipe()
        os.write(writing, text.encode())
        os.close(writing)
        self.open_input(reading)

    def ask(self) -> Deferred[bool]:
        with contextlib.redirect_stderr(self.err):
            return Deferred.fromCoroutine(ask(self.reactor, "ok?"))

    def test_ask(self) -> None:
        """Only a yes is a yes; a closed standard input is a no."""
        for text, expected in (
            ("y\n", True),
            (" YES \n", True),
            ("n\n", False),
            ("yesterday\n", False),
            ("\n", False),
            ("", False),
        ):
            with self.subTest(text=text):
                self.give_input(text)
                answer = self.ask()
                self.reactor.run_call()
                self.assertIs(self.successResultOf(answer), expected)
        self.assertIn("ok? [y/N]", self.err.getvalue())

    def test_twice(self) -> None:
        """Each question takes one line."""
        self.give_input("y\nn\n")
        for expected in (True, False):
            answer = self.ask()
            self.reactor.run_call()
            self.assertIs(self.successResultOf(answer), expected)

    def test_no_input(self) -> None:
        """A process that was started without a standard input takes that for a no, and for no code."""
        self.patch(sys, "stdin", None)
        answer = self.ask()
        self.reactor.run_call()
        self.assertIs(self.successResultOf(answer), False)
        _, typing = self.type()
        self.reactor.run_call()
        self.failureResultOf(typing, TransferError)

    def test_interrupted(self) -> None:
        """A question ends at once when it is cancelled; what is typed later changes nothing."""
        reading, writing = os.pipe()
        self.open_input(reading)
        answer = self.ask()
        with contextlib.redirect_stderr(self.err):
            answer.cancel()
        self.failureResultOf(answer, CancelledError)
        os.write(writing, b"y\n")
        os.close(writing)
        self.reactor.run_call()

    def test_terminal_restored(self) -> None:
        """A terminal has its settings back when a question is cancelled."""
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        self.open_input(slave)
        before = termios.tcgetattr(slave)
        answer = self.ask()
        silent = termios.tcgetattr(slave)
        silent[3] &= ~termios.ECHO
        termios.tcsetattr(slave, termios.TCSANOW, silent)
        with contextlib.redirect_stderr(self.err):
            answer.cancel()
        self.failureResultOf(answer, CancelledError)
        self.assertEqual(termios.tcgetattr(slave), before)
        os.write(master, b"n\n")
        self.reactor.run_call()

    def test_failure(self) -> None:
        """What reading raises is the failure of the question."""
        reading, writing = os.pipe()
        self.addCleanup(os.close, reading)
        stdin = os.fdopen(writing, "w")
        self.addCleanup(stdin.close)
        self.patch(sys, "stdin", stdin)
        answer = self.ask()
        self.reactor.run_call()
        self.failureResultOf(answer, OSError)

    def type(self) -> tuple[World, Deferred[None]]:
        world = World()
        wormhole = world.wormhole("ours")
        with contextlib.redirect_stderr(self.err):
            typing = Deferred.fromCoroutine(type_code(self.reactor, wormhole))
            world.settle()
        return world, typing

    def test_type_code(self) -> None:
        """The typed line is the code, after the server has been asked for its nameplates."""
        self.give_input(" 4-a-b\n")
        world, typing = self.type()
        self.reactor.run_call()
        world.settle()
        self.successResultOf(typing)
        commands = [said["type"] for _, said in world.server.log]
        self.assertEqual(commands[:3], ["bind", "list", "claim"])

    def test_no_code(self) -> None:
        """A line that is not a code is refused."""
        for text, expected in (("", TransferError), ("\n", TransferError), ("4\n", BadCodeError)):
            with self.subTest(text=text):
                self.give_input(text)
                _, typing = self.type()
                self.reactor.run_call()
                self.failureResultOf(typing, expected)

    def test_completing(self) -> None:
        """At a terminal the tab key completes; the end of the input is no code."""
        for keys, expected in ((b"4-a-b\n", None), (b"\x04", TransferError)):
            with self.subTest(keys=keys):
                master, slave = pty.openpty()
                self.addCleanup(os.close, master)
                self.open_input(slave)
                self.patch(sys, "stdout", io.StringIO())
                os.write(master, keys)
                world, typing = self.type()
                self.reactor.run_call()
                world.settle()
                if expected is None:
                    self.successResultOf(typing)
                else:
                    self.failureResultOf(typing, expected)
        complete: Any = readline.get_completer()
        self.assertEqual(complete("4-purple-aardv", 0), "4-purple-aardvark")
        self.assertIsNone(complete("4-purple-aardv", 1))

    def test_typing_ends(self) -> None:
        """Typing ends when it is cancelled, and when the wormhole cannot go on."""
        for fail, expected in ((False, CancelledError), (True, WelcomeError)):
            with self.subTest(fail=fail):
                reading, writing = os.pipe()
                self.open_input(reading)
                world, typing = self.type()
                self.assertNoResult(typing)
                with contextlib.redirect_stderr(self.err):
                    if fail:
                        world.server.say(world.server.links[0], "welcome", welcome={"error": "no"})
                        world.settle()
                    else:
                        typing.cancel()
                self.failureResultOf(typing, expected)
                os.close(writing)
                self.reactor.run_call()

    def test_completions(self) -> None:
        """Nameplates are completed before the dash, words behind it."""
        world = World()
        wormhole = world.wormhole("ours")
        world.server.nameplates = {"4": {}, "40": {}, "5": {}}
        code_input = wormhole.input_code()
        world.settle()
        self.assertEqual(completions(code_input, "4"), ["4-", "40-"])
        self.assertIn("4-purple-aardvark", completions(code_input, "4-purple-aard"))
        self.assertEqual(completions(code_input, "4-xyz"), [])


class ProgressBarTests(SynchronousTestCase):
    def test_bar(self) -> None:
        """The bar says the way, and is silent where standard error is not a terminal."""
        err = io.StringIO()
        bar = ProgressBar()
        bar.advance(1)
        with contextlib.redirect_stderr(err):
            bar.begin(10, "tcp:host:1")
            bar.advance(10)
            bar.end()
        bar.end()
        self.assertEqual(err.getvalue(), "through tcp:host:1\n")
