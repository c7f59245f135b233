"""
Our client and wormhole-william, the Go client in Debian, over real servers.

Its version knows no other transit relay than the public one, which no test may reach: files and
directories go over a direct connection. As a sender it fails if that relay does not accept a connection:
it gets a mount namespace of its own, whose /etc/hosts names a port of this machine that never answers.
"""

import random
import socket
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.end_to_end.client_processes import Outcome, ours, run_together, servers
from tests.ports import own_address
from tests.system.william import MAY_FAIL

pytestmark = MAY_FAIL

WILLIAM = "wormhole-william"

RELAY = (own_address(), 4001)
NO_RELAY = "--transit-helper=tcp:127.0.0.1:9"


class WilliamTests(SynchronousTestCase):
    def william(self, url: str, *arguments: str) -> list[str]:
        return [WILLIAM, *arguments, f"--relay-url={url}"]

    def test_from_william(self) -> None:
        """We show a text of theirs."""
        with servers() as running:
            sender, receiver = run_together(
                self.william(running.relay_url, "send", "--code=1-a-b", "--text=grüße"),
                ours("receive", *running.options, "1-a-b"),
            )
        self.assertEqual((sender.status, receiver.status), (0, 0), sender.err + receiver.err)
        self.assertEqual(receiver.out, "grüße\n")

    def test_to_william(self) -> None:
        """They show a text of ours."""
        with servers() as running:
            sender, receiver = run_together(
                ours("send", *running.options, "--code=1-a-b", "--text=grüße"),
                self.william(running.relay_url, "receive", "1-a-b"),
            )
        self.assertEqual((sender.status, receiver.status), (0, 0), sender.err + receiver.err)
        self.assertIn("grüße", receiver.out)

    def test_wrong_code(self) -> None:
        """A wrong code fails at both ends."""
        with servers() as running:
            sender, receiver = run_together(
                ours("send", *running.options, "--code=1-a-b", "--text=secret"),
                self.william(running.relay_url, "receive", "1-a-c"),
            )
        self.assertEqual(sender.status, 1)
        self.assertNotEqual(receiver.status, 0)
        self.assertNotIn("secret", receiver.out)


class WilliamDirectTests(SynchronousTestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = Path(scratch.name)
        self.there, self.here = self.root / "there", self.root / "here"
        (self.there / "tree" / "deeper" / "deepest").mkdir(parents=True)
        self.here.mkdir()
        for number, name in enumerate(("file", "tree/a", "tree/deeper/b", "tree/deeper/deepest/c")):
            content = random.Random(number).randbytes(300_000)
            (self.there / name).write_bytes(content)
        silent = socket.create_server(RELAY)
        self.addCleanup(silent.close)

    def william(self, url: str, *arguments: str) -> list[str]:
        hosts = self.root / "hosts"
        hosts.write_text(f"127.0.0.1 localhost\n{RELAY[0]} transit.magic-wormhole.io\n")
        inside = 'mount --bind "$1" /etc/hosts; shift; exec "$@"'
        namespace = ["unshare", "--mount", "sh", "-ec", inside, "sh", str(hosts)]
        return [*namespace, WILLIAM, *arguments, "--hide-progress", f"--relay-url={url}"]

    def transfer(self, name: str, *, from_us: bool) -> None:
        path = str(self.there / name)
        with servers() as running:
            url = running.relay_url
            us = (f"--relay-url={url}", NO_RELAY)
            pair = (
                [ours("send", *us, "--code=1-a-b", path), self.william(url, "receive", "1-a-b")]
                if from_us
                else [
                    self.william(url, "send", "--code=1-a-b", path),
                    ours("receive", *us, "--accept", "1-a-b"),
                ]
            )
            outcomes = run_together(*pair, cwds=[None, self.here], stdin="y\n")
        self.assert_arrived(name, outcomes)

    def assert_arrived(self, name: str, outcomes: list[Outcome]) -> None:
        self.assertEqual([outcome.status for outcome in outcomes], [0, 0], outcomes)
        sent, received = (self.files(root / name) for root in (self.there, self.here))
        self.assertEqual(sent.keys(), received.keys())
        self.assertTrue(sent == received, "the contents differ")

    def files(self, path: Path) -> dict[str, bytes]:
        files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
        return {str(each.relative_to(path)): each.read_bytes() for each in files}

    def test_file_to_william(self) -> None:
        """A file of ours arrives."""
        self.transfer("file", from_us=True)

    def test_empty_file_to_william(self) -> None:
        """An empty file of ours arrives, and they confirm it."""
        (self.there / "nothing").touch()
        self.transfer("nothing", from_us=True)

    def test_file_from_william(self) -> None:
        """A file of theirs arrives."""
        self.transfer("file", from_us=False)

    def test_directory_to_william(self) -> None:
        """A directory of ours arrives, with directories inside it."""
        self.transfer("tree", from_us=True)

    def test_directory_from_william(self) -> None:
        """A directory of theirs arrives, with directories inside it."""
        self.transfer("tree", from_us=False)
