"""Tests of `wormhole_server.commands.configuration`."""

from __future__ import annotations

import tomllib

from twisted.trial.unittest import SynchronousTestCase

from tests.certificates import Authority
from tests.wormhole_server.commands.runs import Run, run
from tests.wormhole_server.files import new_path
from wormhole_server.commands.command import ExitStatus
from wormhole_server.commands.configuration import CHECK, SHOW


class CheckTests(SynchronousTestCase):
    def test_valid(self) -> None:
        """A valid configuration is reported as valid, with its file."""
        self.assertEqual(run(CHECK), Run(ExitStatus.OK, "The configuration is valid.\n", ""))
        path = new_path(self)
        path.write_text("motd = 'x'")
        self.assertEqual(
            run(CHECK, f"--config={path}").out, f"The configuration in {path} is valid.\n"
        )

    def test_certificates(self) -> None:
        """Each certificate that cannot be used is a problem, reported with the source of its option."""
        key, chain = Authority().issue().write(new_path(self).parent)
        valid = f"ssl:443:privateKey={key}:certKey={chain}"
        self.assertEqual(run(CHECK, f"--rendezvous={valid}").status, ExitStatus.OK)
        missing = f"ssl:443:privateKey={key}:certKey={key.with_name('no.pem')}"
        wrong = f"ssl:443:privateKey={chain}:certKey={chain}"
        found = run(CHECK, f"--rendezvous={missing}", f"--metrics={valid}", f"--metrics={wrong}")
        self.assertEqual((found.status, found.out), (ExitStatus.UNUSABLE, ""))
        first, second = found.err.splitlines()
        self.assertTrue(first.startswith("wormhole-server: --rendezvous: "), first)
        self.assertIn("no.pem", first)
        self.assertTrue(second.startswith("wormhole-server: --metrics: "), second)


class ShowTests(SynchronousTestCase):
    def test_toml(self) -> None:
        """The configuration is printed as TOML, with passwords masked."""
        shown = run(SHOW, "--motd=hello", "--database=postgresql://user:geheim@host/name")
        self.assertEqual((shown.status, shown.err), (ExitStatus.OK, ""))
        values = tomllib.loads(shown.out)
        self.assertEqual(values["motd"], "hello")
        self.assertEqual(values["database"], "postgresql+psycopg://user:***@host/name")
