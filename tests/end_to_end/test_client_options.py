"""The options of `send` and `receive` that the `wormhole` command has too, against it and among ourselves."""

import os
import subprocess
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.end_to_end.client_processes import Outcome, Servers, ours, run_together, servers, theirs


class OptionTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.out = self.directory / "out"
        self.out.mkdir()
        self.servers: Servers = self.enterContext(servers())

    def run_pair(self, send: list[str], receive: list[str]) -> tuple[Outcome, Outcome]:
        options = self.servers.options
        sender, receiver = run_together(
            ours("send", *options, "--no-listen", *send),
            ours("receive", *options, "--no-listen", *receive),
            cwds=[None, self.out],
        )
        return sender, receiver

    def test_zero(self) -> None:
        """-0 needs no code, with the other client too."""
        sender, receiver = self.run_pair(["-0", "--text=hello"], ["-0"])
        self.assertEqual((sender.status, receiver.out), (0, "hello\n"), sender.err + receiver.err)
        options = self.servers.options
        sent, received = run_together(
            theirs(options, "send", "-0", "--text=hello"), ours("receive", *options, "-0")
        )
        self.assertEqual((sent.status, received.out), (0, "hello\n"), sent.err + received.err)

    def test_appid(self) -> None:
        """Clients with another application id meet each other, and nobody else."""
        sender, receiver = self.run_pair(
            ["--appid=mine", "--code=1-a-b", "--text=hello"], ["--appid=mine", "1-a-b"]
        )
        self.assertEqual((sender.status, receiver.out), (0, "hello\n"), receiver.err)

    def test_only_text(self) -> None:
        """With --only-text a file is refused, and the sender is told."""
        file = self.directory / "file.bin"
        file.write_bytes(os.urandom(1500))
        sender, receiver = self.run_pair(
            ["--code=1-a-b", str(file)], ["--only-text", "--accept", "1-a-b"]
        )
        self.assertEqual((sender.status, receiver.status), (1, 1))
        for outcome in (sender, receiver):
            self.assertIn("the file 'file.bin' of 1.5 kB: only a text is accepted", outcome.err)
        self.assertEqual(list(self.out.iterdir()), [])

    def test_allocate(self) -> None:
        """A receiver makes the code, with its QR codes, and the sender gives it."""
        receiver = subprocess.Popen(
            ours("receive", *self.servers.options, "--allocate", "-c", "3", "--qr"),
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert receiver.stderr is not None
            line = receiver.stderr.readline()
            code = line.removeprefix("The code is ").strip()
            self.assertEqual(len(code.split("-")), 4, line)
            [sender] = run_together(
                ours("send", *self.servers.options, f"--code= {code} ", "--text=hello")
            )
            # Not `communicate`, which does not know what `readline` has read ahead.
            assert receiver.stdout is not None
            err, out = receiver.stderr.read(), receiver.stdout.read()
        finally:
            receiver.kill()
            receiver.wait()
        self.assertEqual((sender.status, out), (0, "hello\n"), sender.err + err)
        self.assertIn(f"wormhole-transfer:{code}?", err)
        self.assertIn("█▄", err)

    def test_unsendable(self) -> None:
        """A directory with a broken link is sent without it where that is wanted, else the link is named."""
        folder = self.directory / "folder"
        folder.mkdir()
        (folder / "fine").write_text("x")
        (folder / "broken").symlink_to("nowhere")
        [refused] = run_together(ours("send", *self.servers.options, str(folder)))
        self.assertIn("broken is a link to nowhere, which does not exist", refused.err)
        sender, receiver = self.run_pair(
            ["--ignore-unsendable-files", "--hide-progress", "--code=1-a-b", str(folder)],
            ["--accept", "--hide-progress", "1-a-b"],
        )
        self.assertEqual((sender.status, receiver.status), (0, 0), sender.err + receiver.err)
        self.assertIn("Ignoring", sender.err)
        self.assertEqual([each.name for each in (self.out / "folder").iterdir()], ["fine"])
