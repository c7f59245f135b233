"""
Our client and wormhole-william, the Go client in Debian, over real servers. Texts only: its version
knows no other transit relay than the public one, which no test may reach.
"""

import shutil
import unittest

from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_client.processes import ours, run_together, servers

WILLIAM = shutil.which("wormhole-william")


@unittest.skipUnless(WILLIAM, "wormhole-william is not installed")
class WilliamTests(SynchronousTestCase):
    def william(self, url: str, *arguments: str) -> list[str]:
        return [str(WILLIAM), *arguments, f"--relay-url={url}"]

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
