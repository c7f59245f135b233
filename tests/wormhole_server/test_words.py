"""Tests of `wormhole_server.words`."""

from __future__ import annotations

import tomllib

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.words import literal, nearest, quoted


class LiteralTests(SynchronousTestCase):
    @given(st.text())
    def test_one_line(self, text: str) -> None:
        """A text becomes one that TOML reads back, on one line, without control characters."""
        line = literal(text)
        self.assertTrue(line.isprintable())
        self.assertEqual(tomllib.loads(f"a = {line}"), {"a": text})


class QuotedTests(SynchronousTestCase):
    def test_short(self) -> None:
        """What is short is quoted whole."""
        self.assertEqual(quoted("a\n"), '"a\\n"')

    def test_long(self) -> None:
        """What is long is cut."""
        self.assertEqual(len(quoted("x" * 1000)), 60)

    def test_no_json(self) -> None:
        """What JSON has no word for is quoted all the same."""
        self.assertIn("object", quoted(object()))


class NearestTests(SynchronousTestCase):
    def test_guess(self) -> None:
        """A slip of the keyboard is recognised."""
        self.assertEqual(nearest("databse", ["motd", "database"]), "database")

    def test_no_guess(self) -> None:
        """Nothing is suggested for a word that looks like nothing known."""
        self.assertIsNone(nearest("zzz", ["motd", "database"]))
