"""Tests of `wormhole_server.config.quoting`."""

from __future__ import annotations

import tomllib

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.config.quoting import literal, nearest, quoted


class LiteralTests(SynchronousTestCase):
    @given(st.text())
    def test_one_line(self, text: str) -> None:
        """A literal is on one line, has no control characters, and TOML reads it back."""
        line = literal(text)
        self.assertTrue(line.isprintable())
        self.assertEqual(tomllib.loads(f"a = {line}"), {"a": text})


class QuotedTests(SynchronousTestCase):
    def test_short(self) -> None:
        """A short text is quoted in full."""
        self.assertEqual(quoted("a\n"), '"a\\n"')

    def test_long(self) -> None:
        """A long text is shortened."""
        self.assertEqual(len(quoted("x" * 1000)), 60)

    def test_no_json(self) -> None:
        """A value that JSON cannot represent is quoted too."""
        self.assertIn("object", quoted(object()))


class NearestTests(SynchronousTestCase):
    def test_guess(self) -> None:
        """A typing error is recognised."""
        self.assertEqual(nearest("databse", ["motd", "database"]), "database")

    def test_no_guess(self) -> None:
        """Nothing is suggested for a name that resembles none."""
        self.assertIsNone(nearest("zzz", ["motd", "database"]))
