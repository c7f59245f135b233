"""`wormhole-client check` and `load` against real servers, whole and broken."""

import json
import subprocess
import sys
import time
import urllib.request

from twisted.trial.unittest import SynchronousTestCase

from tests.end_to_end.client_processes import Outcome, ours, run_together, servers
from tests.ports import free_port


def check(*options: str) -> Outcome:
    [outcome] = run_together(ours("check", "--idle=1", *options))
    return outcome


class CheckTests(SynchronousTestCase):
    def test_all_is_well(self) -> None:
        """Every step has a tick, and the status is 0."""
        with servers() as running:
            websocket = f"--transit-websocket={running.helper_websocket}"
            outcome = check(*running.options, websocket, "--size=100000")
        self.assertEqual(outcome.status, 0, outcome.out)
        lines = outcome.out.splitlines()
        self.assertEqual(len(lines), 11)
        self.assertTrue(all(line.startswith("✔") for line in lines), outcome.out)
        self.assertIn("files, the same as installed here", lines[5])
        self.assertIn("MiB/s", lines[-3])
        for line in lines[-2:]:
            self.assertIn("1 s of silence", line)

    def test_json(self) -> None:
        """The report as JSON has the figures."""
        with servers() as running:
            outcome = check(*running.options, "--json", "--size=100000")
        report = json.loads(outcome.out)
        self.assertTrue(report["ok"])
        self.assertGreater(report["steps"][-3]["bytes_per_second"], 0)

    def test_nothing_there(self) -> None:
        """Without a server the first step that fails says what to look at; the rest is skipped."""
        nowhere = free_port()
        outcome = check(
            f"--relay-url=ws://127.0.0.1:{nowhere}/v1", f"--transit-helper=tcp:127.0.0.1:{nowhere}"
        )
        self.assertEqual(outcome.status, 1)
        self.assertIn("✘ TCP", outcome.out)
        self.assertIn("nothing listens there", outcome.out)
        self.assertIn("– exchange: needs WebSocket and welcome", outcome.out)
        self.assertIn("✘ relay over TCP", outcome.out)

    def test_wrong_path(self) -> None:
        """A wrong path has other advice than a server that does not run."""
        with servers() as running:
            outcome = check(
                f"--relay-url=ws://127.0.0.1:{running.rendezvous}/elsewhere",
                f"--transit-helper={running.helper}",
            )
        self.assertEqual(outcome.status, 1)
        self.assertIn("✘ WebSocket and welcome", outcome.out)
        self.assertIn("the path is wrong", outcome.out)

    def test_wrong_ports(self) -> None:
        """With the two ports mixed up, each step advises so."""
        with servers() as running:
            outcome = check(
                f"--relay-url=ws://127.0.0.1:{running.transit}/v1",
                f"--transit-helper=tcp:127.0.0.1:{running.rendezvous}",
            )
        self.assertEqual(outcome.status, 1)
        self.assertIn("the relay's TCP port?", outcome.out)
        self.assertIn("is it the relay's port", outcome.out)


class WatchTests(SynchronousTestCase):
    def test_metrics(self) -> None:
        """A watch serves the results of its last check, and goes on when the server fails."""
        port = free_port()
        with servers() as running:
            canary = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "wormhole_client",
                    "check",
                    *running.options,
                    "--size=10000",
                    "--idle=0",
                    "--watch=5",  # so that the server is killed between two checks
                    f"--metrics=tcp:{port}:interface=127.0.0.1",
                ],
                stderr=subprocess.DEVNULL,
            )
            try:
                self.wait_for(port, 'wormhole_check_step_ok{step="exchange"} 1.0')
                running.kill()
                self.wait_for(port, 'wormhole_check_step_ok{step="TCP"} 0.0')
                self.wait_for(port, 'wormhole_check_step_ok{step="exchange"} 0.0')
            finally:
                canary.kill()
                canary.wait()

    def wait_for(self, port: int, line: str) -> None:
        page = ""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(
                    f"http://127.0.0.1:{port}/metrics", timeout=5
                ) as answer:
                    page = answer.read().decode()
            except (TimeoutError, OSError):
                page = ""
            if line in page:
                return
            time.sleep(0.05)
        self.fail(f"{line} is not in:\n{page}")


class LoadTests(SynchronousTestCase):
    def test_table(self) -> None:
        """Exchanges, pairs and idle clients are counted."""
        with servers() as running:
            [outcome] = run_together(
                ours(
                    "load",
                    *running.options,
                    "--exchanges=6",
                    "--pairs=2",
                    "--idle=5",
                    "--concurrency=3",
                    "--size=100000",
                )
            )
        self.assertEqual(outcome.status, 0, outcome.err)
        rows = {line[:14].strip(): line[14:].split() for line in outcome.out.splitlines()[1:]}
        self.assertEqual(rows["exchanges"][:2], ["6", "0"])
        self.assertEqual(rows["relay pairs"][:2], ["2", "0"])
        self.assertEqual(rows["idle clients"][:2], ["5", "0"])
