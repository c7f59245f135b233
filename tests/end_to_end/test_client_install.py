"""The command of an installation without the client's extra."""

import os
import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

from tests.project.markdown import ROOT

PROGRAM = """
import sys
sys.modules[{missing!r}] = None
from wormhole_client.__main__ import main
main()
"""


class InstallTests(SynchronousTestCase):
    def run_without(self, missing: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", PROGRAM.format(missing=missing), "send", "--text=x"],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )

    def test_bare(self) -> None:
        """Without a library of the extra one line says what to install."""
        for missing in ("nacl", "spake2", "tqdm", "segno"):
            with self.subTest(missing=missing):
                done = self.run_without(missing)
                self.assertEqual(done.returncode, 1, done.stderr)
                [line] = done.stderr.splitlines()
                self.assertIn(missing, line)
                self.assertIn("pip install '.[client]'", line)

    def test_other(self) -> None:
        """A library that is no part of the extra is a fault, and not explained by it."""
        done = self.run_without("twisted.internet.task")
        self.assertIn("ModuleNotFoundError", done.stderr)

    def test_serve(self) -> None:
        """`make serve` installs what the README shows behind it."""
        makefile = (ROOT / "Makefile").read_text()
        recipe = makefile[makefile.index("$(VENV)/.serve:") :].split("\n\n")[0]
        self.assertIn(".[client]", recipe)
        self.assertIn(".venv/bin/wormhole-client check", (ROOT / "README.md").read_text())
