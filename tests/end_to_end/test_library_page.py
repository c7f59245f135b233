"""The examples of docs/library.md, run as they stand against a real server."""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.end_to_end.client_processes import RUN_SECONDS, Servers, servers
from tests.end_to_end.processes import until
from tests.project.markdown import ROOT, blocks

PAGE = ROOT / "docs" / "library.md"
EXAMPLES = {
    match[1]: block
    for block in blocks(PAGE)
    if (match := re.match(r"# (\w+)\.py\n", block)) is not None
}


class ExampleTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.servers = self.enterContext(servers())
        self.running: list[subprocess.Popen[str]] = []
        self.addCleanup(self.end)

    def end(self) -> None:
        for process in self.running:
            process.kill()
            process.communicate()

    def start(self, example: str, *arguments: str) -> subprocess.Popen[str]:
        made: Servers = self.servers
        text = EXAMPLES[example].replace("wss://wormhole.example/v1", made.relay_url)
        text = text.replace("tcp:wormhole.example:4001", made.helper)
        program = self.directory / f"{example}.py"
        program.write_text(text)
        process = subprocess.Popen(
            [sys.executable, str(program), *arguments],
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT)},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.running.append(process)
        return process

    def output(self, process: subprocess.Popen[str]) -> list[str]:
        out, err = process.communicate(timeout=RUN_SECONDS)
        self.assertEqual((process.returncode, err), (0, ""), out)
        return out.splitlines()

    def start_deferred(self) -> tuple[subprocess.Popen[str], str]:
        process = self.start("deferred")
        assert process.stdout is not None
        return process, process.stdout.readline().strip()

    def test_all(self) -> None:
        """Every example of the page is run by a test of this module."""
        tested = {"deferred", "delegate", "journal", "typed", "transit"}
        self.assertEqual(set(EXAMPLES), tested)

    def test_deferred_and_delegate(self) -> None:
        """The two kinds of wormhole exchange their messages."""
        deferred, code = self.start_deferred()
        delegate = self.start("delegate", code)
        self.assertEqual(self.output(delegate), ["hello", "happy"])
        self.assertEqual(self.output(deferred), ["hello yourself", "happy"])

    def test_typed(self) -> None:
        """A code is typed, with completions."""
        deferred, code = self.start_deferred()
        typed = self.start("typed", code)
        _, words, message = self.output(typed)
        self.assertIn(code.split("-")[1], words)
        self.assertEqual(message, "hello")
        self.assertEqual(self.output(deferred), ["typed", "happy"])

    def test_journal(self) -> None:
        """A program that was killed before the other came goes on from its journal."""
        kept = [self.directory / name for name in ("ours.state", "theirs.state")]
        first = self.start("journal", str(kept[0]), "7-a-b")
        until(lambda: kept[0].exists() and '"mailbox_stage":"open"' in kept[0].read_text())
        first.kill()
        first.wait()
        both = [self.start("journal", str(each), "7-a-b") for each in kept]
        for process in both:
            self.assertEqual(self.output(process), ["hello, whenever you read this"])
        self.assertFalse(any(each.exists() for each in kept))

    def test_transit(self) -> None:
        """Two ends send each other records."""
        sender = self.start("transit", "sender", "7-a-b")
        receiver = self.start("transit", "receiver", "7-a-b")
        self.assertEqual(self.output(receiver), ["a record"])
        self.assertEqual(self.output(sender), ["another record"])
