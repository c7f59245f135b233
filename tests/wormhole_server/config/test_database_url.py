"""Tests of `wormhole_server.config.database_url`."""

from __future__ import annotations

import sys

from sqlalchemy import make_url
from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.config.database_url import as_url, masked, parse_database_url


class ParseTests(SynchronousTestCase):
    def test_taken(self) -> None:
        """URLs of SQLite files and of PostgreSQL through psycopg are accepted unchanged."""
        for text in (
            "sqlite:///wormhole-server.db",
            "sqlite:////var/lib/wormhole/server.db",
            "postgresql+psycopg://user:secret@db.example.org:5433/wormhole",
            "postgresql+psycopg:///wormhole?host=/run/postgresql",
            "postgresql+psycopg://user@/wormhole?host=one%3A5432&host=other%3A5432",
        ):
            self.assertEqual(as_url(parse_database_url(text)), make_url(text))

    def test_other_names(self) -> None:
        """Other names of the same drivers are understood."""
        for scheme in ("postgres", "postgresql"):
            self.assertEqual(
                parse_database_url(f"{scheme}://u:p@h/d"), "postgresql+psycopg://u:p@h/d"
            )
        self.assertEqual(parse_database_url("sqlite+pysqlite:///f"), "sqlite:///f")

    def test_refused(self) -> None:
        """Any other URL is refused with what to write, and without its password."""
        for text, why in (
            ("geheim", "not a database URL; write sqlite:///FILE"),
            ("mysql://u:geheim@h/d", "mysql:// is not a supported database"),
            ("postgresql+psycopg2://u:geheim@h/d", "write sqlite:///FILE or postgresql.psycopg"),
            ("postgresql://u:geheim@a:1,b:2/d", r"\?host=ONE:PORT&host=OTHER:PORT"),
            ("postgresql://u:geheim@h", "names no database"),
            ("sqlite://geheim.db", "two slashes; write three"),
            ("sqlite://", "names no file"),
            ("sqlite:///:memory:", "database in memory would be lost"),
            ("", "not a database URL"),
        ):
            with self.assertRaisesRegex(ValueError, why) as caught:
                parse_database_url(text)
            self.assertNotIn("geheim", str(caught.exception))

    def test_not_a_text(self) -> None:
        """A number in TOML is refused."""
        with self.assertRaisesRegex(ValueError, "not a string"):
            parse_database_url(5)

    def test_masked_password(self) -> None:
        """A password that `config show` has masked is refused."""
        for url in ("postgresql://u:p@h/d", "postgresql://h/d?user=u&password=p"):
            with self.assertRaisesRegex(ValueError, "write the password itself"):
                parse_database_url(masked(make_url(url)))

    def test_driver_missing(self) -> None:
        """Without psycopg the message says what to install."""
        self.patch(sys, "modules", {**sys.modules, "psycopg": None})
        with self.assertRaisesRegex(ValueError, r"pip install '\.\[postgres\]'"):
            parse_database_url("postgresql://u:p@h/d")


class MaskedTests(SynchronousTestCase):
    def test_masked(self) -> None:
        """Only the password is masked, in the user part and in the query."""
        for text, shown in (
            (
                "postgresql://u:geheim@h:5/d?sslmode=require",
                "postgresql://u:***@h:5/d?sslmode=require",
            ),
            ("postgresql://h/d?password=geheim", "postgresql://h/d?password=***"),
            ("postgresql://u@h/d", "postgresql://u@h/d"),
            ("sqlite:///wormhole-server.db", "sqlite:///wormhole-server.db"),
        ):
            self.assertEqual(masked(make_url(text)), shown)
