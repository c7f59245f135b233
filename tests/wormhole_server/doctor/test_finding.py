"""Tests of `wormhole_server.doctor.finding` and of the examination as a whole."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_server.doctor.cases import case
from wormhole_server.cli import command
from wormhole_server.commands.command import Terminal
from wormhole_server.doctor.case import (
    Case,
    relay_url,
    transit_helper,
    transit_websocket,
)
from wormhole_server.doctor.examination import configuration, examine
from wormhole_server.doctor.finding import (
    Finding,
    Level,
    as_json,
    as_lines,
    failure,
    in_sum,
    ok,
    warning,
)


class FindingTests(SynchronousTestCase):
    """How findings are told."""

    def test_lines(self) -> None:
        """A line each, with the mend indented; in letters that every terminal has, where it has to be."""
        found = failure("disk", "is\nfull", "make room")
        self.assertEqual(
            list(as_lines(found, plain=False)), ["✗ disk: is\\u000afull", "    make room"]
        )
        self.assertTrue("\n".join(as_lines(found, plain=True)).isascii())
        self.assertEqual(list(as_lines(ok("disk", "fits"), plain=False)), ["✓ disk: fits"])
        self.assertEqual(next(iter(as_lines(warning("a", "b", "c"), plain=False))), "! a: b")

    def test_sum(self) -> None:
        """Failures come before warnings."""
        good, odd, bad = ok("a", "b"), warning("a", "b", "c"), failure("a", "b", "c")
        self.assertEqual(in_sum([good, good]), "All 2 checks are well.")
        self.assertEqual(in_sum([good, odd]), "All works; 1 of 2 checks warn.")
        self.assertEqual(in_sum([good, odd, bad]), "1 of 3 checks failed.")

    def test_json(self) -> None:
        """A warning is no failure."""
        told = json.loads(as_json([ok("a", "b"), warning("c", "d", "e")]))
        self.assertTrue(told["ok"])
        self.assertEqual(
            told["checks"][1], {"check": "c", "level": "warning", "text": "d", "mend": "e"}
        )
        self.assertFalse(json.loads(as_json([failure("a", "b", "c")]))["ok"])


class ExaminationTests(SynchronousTestCase):
    """All of it."""

    def test_unforeseen(self) -> None:
        """A look that fails by itself is told, and the next is made all the same."""

        def broken(_: Case) -> Iterator[Finding]:
            yield ok("first", "half")
            raise ZeroDivisionError

        found = list(examine(case(), [broken, configuration]))
        self.assertEqual(
            [(each.check, each.level) for each in found],
            [("first", Level.OK), ("broken", Level.FAILURE), ("configuration", Level.OK)],
        )

    def test_configuration(self) -> None:
        """Says how much of it is not default, since it may not be the one that was meant."""
        [found] = configuration(case("--motd=x"))
        self.assertRegex(found.text, r"without a file; 1 of \d+ settings are not default")

    def test_wrong_words(self) -> None:
        """A number that is none is told in a line."""
        err = io.StringIO()
        words = ["doctor", "--clients=many"]
        self.assertEqual(command(words, Terminal({}, io.StringIO(), err)), 2)
        self.assertIn("--clients", err.getvalue())


class AddressTests(SynchronousTestCase):
    """Where clients are said to reach the server."""

    def addresses(self, *flags: str) -> tuple[str | None, str | None, str | None]:
        """As the doctor goes to."""
        settings = case(*flags).settings
        url = relay_url(settings)
        return url, transit_helper(settings), transit_websocket(url)

    def test_here(self) -> None:
        """Without a word about it, from this machine."""
        self.assertEqual(
            self.addresses(),
            ("ws://127.0.0.1:4000/v1", "tcp:127.0.0.1:4001", "ws://127.0.0.1:4000/transit"),
        )

    def test_public(self) -> None:
        """By the name, or by the whole addresses, that the operator has set."""
        self.assertEqual(
            self.addresses("--public-host=2001:db8::1"),
            (
                "ws://[2001:db8::1]:4000/v1",
                "tcp:[2001:db8::1]:4001",
                "ws://[2001:db8::1]:4000/transit",
            ),
        )
        self.assertEqual(
            self.addresses(
                "--public-url=wss://wormhole.example.org/v1",
                "--public-transit=tcp:example.org:4001",
            ),
            (
                "wss://wormhole.example.org/v1",
                "tcp:example.org:4001",
                "wss://wormhole.example.org/transit",
            ),
        )

    def test_nowhere(self) -> None:
        """What is off, or on a socket that the configuration does not tell, has no address."""
        self.assertEqual(self.addresses("--rendezvous=none")[0::2], (None, None))
        self.assertEqual(
            self.addresses("--rendezvous=unix:/run/x", "--transit=none"), (None, None, None)
        )
        self.assertIsNone(transit_websocket("wss://example.org/elsewhere"))
