"""Transfers between our client and magic-wormhole's, in both roles, over real servers."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from twisted.trial.unittest import SynchronousTestCase

from tests.end_to_end.client_processes import Outcome, Servers, ours, run_together, servers, theirs

CONTENT: Final = os.urandom(300_000)


class Case(SynchronousTestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.out = Path(scratch.name) / "out"
        self.out.mkdir()
        self.file = Path(scratch.name) / "file.bin"
        self.file.write_bytes(CONTENT)
        self.folder = Path(scratch.name) / "folder"
        (self.folder / "sub" / "empty").mkdir(parents=True)
        (self.folder / "sub" / "inner.bin").write_bytes(CONTENT)
        (self.folder / "program").write_text("#!/bin/sh\n")
        (self.folder / "program").chmod(0o755)
        (self.folder / "ünïcode").write_text("x")

    @contextmanager
    def serving(self) -> Iterator[Servers]:
        with servers() as running:
            yield running

    def assert_fine(self, *outcomes: Outcome) -> None:
        for outcome in outcomes:
            self.assertEqual(outcome.status, 0, outcome.err)

    def assert_same_folder(self) -> None:
        got = self.out / "folder"
        self.assertEqual((got / "sub" / "inner.bin").read_bytes(), CONTENT)
        self.assertEqual((got / "ünïcode").read_text(), "x")
        self.assertTrue(os.access(got / "program", os.X_OK))
        self.assertTrue((got / "sub" / "empty").is_dir())


class OursToTheirsTests(Case):
    def send(self, *what: str) -> list[Outcome]:
        with self.serving() as running:
            return run_together(
                ours("send", *running.options, "--no-listen", "--code=1-a-b", *what),
                theirs(running.options, "receive", "--no-listen", "--accept-file", "1-a-b"),
                cwds=[None, self.out],
            )

    def test_text(self) -> None:
        """They show a text of ours."""
        sender, receiver = self.send("--text", "grüße")
        self.assert_fine(sender, receiver)
        self.assertIn("grüße", receiver.out + receiver.err)

    def test_file(self) -> None:
        """They store a file of ours, through the relay."""
        self.assert_fine(*self.send(str(self.file)))
        self.assertEqual((self.out / "file.bin").read_bytes(), CONTENT)

    def test_empty_file(self) -> None:
        """They store an empty file of ours."""
        self.file.write_bytes(b"")
        self.assert_fine(*self.send(str(self.file)))
        self.assertEqual((self.out / "file.bin").read_bytes(), b"")

    def test_directory(self) -> None:
        """They unpack a directory of ours."""
        self.assert_fine(*self.send(str(self.folder)))
        self.assert_same_folder()


class TheirsToOursTests(Case):
    def receive(self, *what: str) -> list[Outcome]:
        with self.serving() as running:
            return run_together(
                theirs(running.options, "send", "--no-qr", "--no-listen", "--code=1-a-b", *what),
                ours(
                    "receive",
                    *running.options,
                    "--no-listen",
                    "--accept",
                    "-o",
                    str(self.out),
                    "1-a-b",
                ),
            )

    def test_text(self) -> None:
        """We show a text of theirs, and nothing else, on standard output."""
        sender, receiver = self.receive("--text", "grüße")
        self.assert_fine(sender, receiver)
        self.assertEqual(receiver.out, "grüße\n")

    def test_file(self) -> None:
        """We store a file of theirs, through the relay."""
        self.assert_fine(*self.receive(str(self.file)))
        self.assertEqual((self.out / "file.bin").read_bytes(), CONTENT)

    def test_directory(self) -> None:
        """We unpack a directory of theirs."""
        self.assert_fine(*self.receive(str(self.folder)))
        self.assert_same_folder()


class OursTests(Case):
    def run_pair(
        self,
        running: Servers,
        send: list[str],
        receive: list[str],
        code: str = "1-a-b",
        stdin: str = "",
    ) -> list[Outcome]:
        return run_together(
            ours("send", f"--relay-url={running.relay_url}", "--code=1-a-b", *send),
            ours("receive", f"--relay-url={running.relay_url}", code, *receive),
            cwds=[None, self.out],
            stdin=stdin,
        )

    def test_direct(self) -> None:
        """Without a relay, two clients on one machine find each other."""
        with self.serving() as running:
            nowhere = "--transit-helper=tcp:127.0.0.1:9"
            outcomes = self.run_pair(
                running, [nowhere, str(self.file)], [nowhere, "--accept", "--no-listen"]
            )
        self.assert_fine(*outcomes)
        self.assertEqual((self.out / "file.bin").read_bytes(), CONTENT)
        self.assertIn("direct connection", outcomes[0].err)

    def test_relay_both_ways(self) -> None:
        """One end reaches the relay over TCP, the other over WebSocket, each told by its own end."""
        with self.serving() as running:
            outcomes = self.run_pair(
                running,
                ["--no-listen", f"--transit-helper={running.helper}", str(self.file)],
                ["--no-listen", f"--transit-helper={running.helper_websocket}", "--accept"],
            )
        self.assert_fine(*outcomes)
        self.assertEqual((self.out / "file.bin").read_bytes(), CONTENT)

    def test_wrong_code(self) -> None:
        """Both ends say so in one line, and fail; nothing is stored."""
        with self.serving() as running:
            outcomes = self.run_pair(running, [str(self.file)], ["--accept"], code="1-a-c")
        for outcome in outcomes:
            self.assertEqual(outcome.status, 1)
            self.assertIn("codes differ", outcome.err.splitlines()[-1])
        self.assertEqual(list(self.out.iterdir()), [])

    def test_existing(self) -> None:
        """An existing file is not overwritten unless we are told to; the sender learns why."""
        (self.out / "file.bin").write_text("precious")
        with self.serving() as running:
            outcomes = self.run_pair(running, [str(self.file)], ["--accept"])
            for outcome in outcomes:
                self.assertEqual(outcome.status, 1)
                self.assertIn("refusing to overwrite 'file.bin'", outcome.err.splitlines()[-1])
            self.assertEqual((self.out / "file.bin").read_text(), "precious")
            helper = f"--transit-helper={running.helper}"
            outcomes = self.run_pair(
                running, [helper, str(self.file)], [helper, "--accept", "--overwrite"]
            )
        self.assert_fine(*outcomes)
        self.assertEqual((self.out / "file.bin").read_bytes(), CONTENT)

    def test_rejected(self) -> None:
        """Who says no is obeyed."""
        with self.serving() as running:
            outcomes = self.run_pair(running, [str(self.file)], [], stdin="n\n")
        for outcome in outcomes:
            self.assertEqual(outcome.status, 1)
            self.assertIn("transfer rejected", outcome.err.splitlines()[-1])
        self.assertEqual(list(self.out.iterdir()), [])

    def test_verified(self) -> None:
        """Verifiers are shown, equal, and a no on either end stops it."""
        with self.serving() as running:
            outcomes = self.run_pair(
                running, ["--verify", "--text", "x"], ["--verify"], stdin="y\n"
            )
            self.assert_fine(*outcomes)
            shown = [
                [line for line in outcome.err.splitlines() if line.startswith("Verifier")]
                for outcome in outcomes
            ]
            self.assertEqual(shown[0], shown[1])
            for outcome in self.run_pair(
                running, ["--verify", "--text", "x"], ["--verify"], stdin="n\n"
            ):
                self.assertEqual(outcome.status, 1)


class WrongCodeTests(Case):
    def test_sender_is_theirs(self) -> None:
        """With a wrong code of ours, both clients fail, and no data moves."""
        with self.serving() as running:
            outcomes = run_together(
                theirs(running.options, "send", "--no-qr", "--code=1-a-b", str(self.file)),
                ours("receive", *running.options, "--accept", "-o", str(self.out), "1-a-c"),
            )
        self.assertNotEqual(outcomes[0].status, 0)
        self.assertEqual(outcomes[1].status, 1)
        self.assertEqual(list(self.out.iterdir()), [])

    def test_receiver_is_theirs(self) -> None:
        """With a wrong code of theirs, too."""
        with self.serving() as running:
            outcomes = run_together(
                ours("send", *running.options, "--code=1-a-b", str(self.file)),
                theirs(running.options, "receive", "--accept-file", "1-a-c"),
                cwds=[None, self.out],
            )
        self.assertEqual(outcomes[0].status, 1)
        self.assertNotEqual(outcomes[1].status, 0)
        self.assertEqual(list(self.out.iterdir()), [])
