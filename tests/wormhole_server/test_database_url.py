"""Tests of `wormhole_server.database_url`."""

from __future__ import annotations

import sys

from sqlalchemy import make_url
from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.database_url import masked, parse_database_url


class ParseTests(SynchronousTestCase):
    def test_taken(self) -> None:
        """SQLite files and PostgreSQL through psycopg are taken as they are."""
        for text in (
            "sqlite:///wormhole-server.db",
            "sqlite:////var/lib/wormhole/server.db",
            "postgresql+psycopg://user:secret@db.example.org:5433/wormhole",
            "postgresql+psycopg:///wormhole?host=/run/postgresql",
            "postgresql+psycopg://user@/wormhole?host=one%3A5432&host=other%3A5432",
        ):
            self.assertEqual(parse_database_url(text), make_url(text))

    def test_mended(self) -> None:
        """Other names of the same are understood."""
        for scheme in ("postgres", "postgresql"):
            self.assertEqual(
                parse_database_url(f"{scheme}://u:p@h/d"), make_url("postgresql+psycopg://u:p@h/d")
            )
        self.assertEqual(parse_database_url("sqlite+pysqlite:///f"), make_url("sqlite:///f"))

    def test_refused(self) -> None:
        """Anything else is refused with what to write, and without the secret in it."""
        for text, why in (
            ("geheim", "not one of a database; write sqlite:///FILE"),
            ("mysql://u:geheim@h/d", "mysql:// is not a database that is known here"),
            ("postgresql+psycopg2://u:geheim@h/d", "write sqlite:///FILE or postgresql.psycopg"),
            ("postgresql://u:geheim@a:1,b:2/d", r"\?host=ONE:PORT&host=OTHER:PORT"),
            ("postgresql://u:geheim@h", "names no database"),
            ("sqlite://geheim.db", "two slashes where SQLite needs three"),
            ("sqlite://", "names no file"),
            ("sqlite:///:memory:", "memory is lost at a stop"),
            ("", "not one of a database"),
        ):
            with self.assertRaisesRegex(ValueError, why) as caught:
                parse_database_url(text)
            self.assertNotIn("geheim", str(caught.exception))

    def test_not_a_text(self) -> None:
        """A number, which TOML may bring, is refused."""
        with self.assertRaisesRegex(ValueError, "not a text"):
            parse_database_url(5)

    def test_masked_password(self) -> None:
        """What `config show` has masked is refused: it would lose the password, or worse, keep it."""
        for url in ("postgresql://u:p@h/d", "postgresql://h/d?user=u&password=p"):
            with self.assertRaisesRegex(ValueError, "write the password itself"):
                parse_database_url(masked(make_url(url)))

    def test_driver_missing(self) -> None:
        """Without psycopg, the operator is told what to install."""
        self.patch(sys, "modules", {**sys.modules, "psycopg": None})
        with self.assertRaisesRegex(ValueError, r"pip install '\.\[postgres\]'"):
            parse_database_url("postgresql://u:p@h/d")


class MaskedTests(SynchronousTestCase):
    def test_masked(self) -> None:
        """A password is masked wherever it stands, and nothing else."""
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
