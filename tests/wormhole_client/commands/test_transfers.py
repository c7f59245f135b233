"""Tests of the commands that send and receive."""

import argparse
import contextlib
import io
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_client.fakes import (
    FakeNetwork,
    FakeRelay,
    PromptReactor,
    UnresolvingReactor,
    World,
)
from wormhole_client import wormhole
from wormhole_client.commands import transfers
from wormhole_client.commands.options import make_parser
from wormhole_client.commands.transfers import (
    describe_offer,
    describe_qr,
    describe_receiving,
    format_size,
    receive,
    send,
)
from wormhole_client.errors import ServerConnectionError
from wormhole_client.network.tor import TorError
from wormhole_client.transfers import messages
from wormhole_client.transfers.session import TransferError

SERVER = ("--relay-url=ws://nowhere.example/v1", "--transit-helper=tcp:nowhere.example:4001")


def parse(*arguments: str) -> argparse.Namespace:
    return make_parser().parse_args(arguments)


class CommandTests(SynchronousTestCase):
    def run_command(self, *arguments: str) -> Deferred[None]:
        reactor = UnresolvingReactor()
        command = {"send": send, "receive": receive}[arguments[0]]
        with contextlib.redirect_stderr(io.StringIO()):
            running = Deferred.fromCoroutine(command(reactor, parse(*arguments, *SERVER)))
            for _ in range(10):
                reactor.advance(1)
        return running

    def test_what(self) -> None:
        """Either a path or a text has to be given, before anything is connected."""
        for arguments in (["send"], ["send", "x", "--text=y"]):
            with self.subTest(arguments=arguments):
                error = self.failureResultOf(self.run_command(*arguments), TransferError)
                self.assertIn("--text", error.getErrorMessage())

    def test_unreachable(self) -> None:
        """A server that cannot be reached ends either command."""
        for arguments in (["send", "--text=y"], ["receive", "4-a-b"]):
            with self.subTest(arguments=arguments):
                self.failureResultOf(self.run_command(*arguments), ServerConnectionError)


class TransferTests(SynchronousTestCase):
    """Both commands, over a server and a network in memory."""

    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = Path(scratch.name)
        (self.root / "here").mkdir()
        self.reactor = PromptReactor()
        self.world = World(clock=self.reactor)
        self.network = FakeNetwork()
        self.sides = iter(("ours", "theirs"))
        self.out, self.err = io.StringIO(), io.StringIO()
        self.patch(transfers, "create", lambda *_, **__: self.world.wormhole(next(self.sides)))
        self.patch(transfers, "Internet", lambda _: self.network)
        self.patch(sys, "stdout", self.out)
        self.patch(sys, "stderr", self.err)
        self.patch(sys, "stdin", None)

    def transfer(
        self, sending: Sequence[str], receiving: Sequence[str]
    ) -> tuple[Deferred[None], Deferred[None]]:
        output = f"--output={self.root / 'here'}"
        commands = (
            send(self.reactor, parse("send", "--no-listen", *sending, *SERVER)),
            receive(self.reactor, parse("receive", "--no-listen", output, *receiving, *SERVER)),
        )
        sent, received = map(Deferred.fromCoroutine, commands)
        for each in (sent, received):
            self.addCleanup(self.end, each)
        self.world.settle()
        if len(self.network.dialed) == 2:
            FakeRelay(*self.network.dialed).run()
            self.world.settle()
        return sent, received

    def end(self, command: Deferred[None]) -> None:
        command.addErrback(lambda _: None).cancel()
        self.world.wait()

    def test_text(self) -> None:
        """A text is all that is printed on standard output, '-' is read from standard input."""
        self.patch(sys, "stdin", io.StringIO("hello\n"))
        ended = self.transfer(["--text=-", "--code=4-a-b"], ["4-a-b"])
        for each in ended:
            self.assertIsNone(self.successResultOf(each))
        self.assertEqual(self.out.getvalue(), "hello\n\n")
        self.assertIn("The code is 4-a-b", self.err.getvalue())
        self.assertIn("Sent; the other end has confirmed it.", self.err.getvalue())

    def test_directory(self) -> None:
        """A directory that is accepted beforehand arrives; the server chooses the code."""
        (self.root / "folder").mkdir()
        (self.root / "folder" / "file").write_text("x")
        self.patch(wormhole, "choose_words", lambda *_: "a-b")
        ended = self.transfer([str(self.root / "folder")], ["1-a-b", "--accept"])
        for each in ended:
            self.assertIsNone(self.successResultOf(each))
        self.assertEqual((self.root / "here" / "folder" / "file").read_text(), "x")
        for line in ("Listing", "through relay", "Receiving the directory 'folder' of 1 files"):
            self.assertIn(line, self.err.getvalue())

    def test_asked(self) -> None:
        """The user is asked for the code and before a file is stored; silence is a no."""
        (self.root / "file").write_text("x")
        reading, writing = os.pipe()
        os.write(writing, b"4-a-b\n")
        os.close(writing)
        stdin = os.fdopen(reading)
        self.addCleanup(stdin.close)
        self.patch(sys, "stdin", stdin)
        sent, received = self.transfer([str(self.root / "file"), "--code=4-a-b"], [])
        self.reactor.run_call()
        self.world.settle()
        self.reactor.run_call()
        self.world.settle()
        self.assertIn("rejected", self.failureResultOf(sent, TransferError).getErrorMessage())
        self.failureResultOf(received, TransferError)

    def test_verifier(self) -> None:
        """With `--verify` both users see the same verifier; silence is a no, which both ends report."""
        verify = ["--verify"]
        sent, received = self.transfer(["--text=x", "--code=4-a-b", *verify], ["4-a-b", *verify])
        self.reactor.run_call()
        self.world.settle()
        shown = [line for line in self.err.getvalue().splitlines() if line[:9] == "Verifier:"]
        self.assertEqual((len(shown), len(set(shown))), (2, 1))
        for each in (sent, received):
            message = self.failureResultOf(each, TransferError).getErrorMessage()
            self.assertIn("the verifiers differ", message)
        self.reactor.run_call()

    def test_motd(self) -> None:
        """The server's message is shown, and cannot command the terminal or pass for a line of ours."""
        self.world.server.welcome = {"motd": "one\ntwo\x1b[2J"}
        self.transfer(["--text=x", "--code=4-a-b"], ["4-a-b"])
        lines = self.err.getvalue().splitlines()
        self.assertEqual(lines.count("The server says: one"), 2)
        self.assertIn("The server says: two\\x1b[2J", lines)

    def test_tor(self) -> None:
        """With `--tor` nothing is connected but Tor."""
        sent, _ = self.transfer(["--text=x", "--tor"], ["4-a-b"])
        self.failureResultOf(sent, TorError)


class DescriptionTests(SynchronousTestCase):
    def test_offers(self) -> None:
        """Each offer says how much it is; a peer's name cannot command the terminal."""
        for offer, expected in (
            (messages.TextOffer("four"), "a text of 4 characters"),
            (messages.FileOffer("a\x1b[2J", 7), "the file 'a\\x1b[2J' of 7 bytes"),
            (
                messages.DirectoryOffer("d", 1, 20, 3),
                "the directory 'd' of 3 files, 20 bytes in all",
            ),
        ):
            with self.subTest(offer=offer):
                self.assertEqual(describe_offer(offer), expected)

    def test_sizes(self) -> None:
        """Sizes have the unit that people would give them."""
        for size, text in (
            (999, "999 bytes"),
            (1000, "1.0 kB"),
            (1_500_000, "1.5 MB"),
            (2 * 10**18, "2000.0 PB"),
        ):
            with self.subTest(size=size):
                self.assertEqual(format_size(size), text)

    def test_qr(self) -> None:
        """The links of a code are drawn where that is wanted."""
        self.assertEqual(list(describe_qr(parse("send", "x", *SERVER), "4-a-b")), [])
        lines = list(describe_qr(parse("send", "x", "--qr", *SERVER), "4-a-b"))
        self.assertIn("http://nowhere.example/#4-a-b", lines)
        self.assertTrue(any(line.startswith("wormhole-transfer:4-a-b?") for line in lines))

    def test_receiving(self) -> None:
        """The commands of both clients can be pasted; the reference client has no WebSocket relays."""
        text = describe_receiving(parse("send", "x", *SERVER), "4-a-b")
        ours, theirs = text
        self.assertIn(f"wormhole-client receive {' '.join(SERVER)} 4-a-b", ours)
        self.assertIn(f"wormhole {' '.join(SERVER)} receive 4-a-b", theirs)
        web = parse("send", "x", "--transit-helper=ws://relay/transit")
        self.assertEqual(len(describe_receiving(web, "4-a-b")), 1)
