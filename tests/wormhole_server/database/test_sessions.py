"""Tests of `wormhole_server.database.sessions`."""

from __future__ import annotations

import pytest
from sqlalchemy import make_url

from rendezvous.database import open_engine
from rendezvous.ledger import pooler
from tests.wormhole_server.databases import DatabaseCase
from wormhole_server.database.sessions import check_sessions
from wormhole_server.errors import StartError


class CheckSessionsTests(DatabaseCase):
    @pytest.mark.processes
    def test_accepted(self) -> None:
        """SQLite and PostgreSQL itself are accepted."""
        for url in (self.sqlite(), self.postgres()):
            check_sessions(open_engine(url))

    @pytest.mark.processes
    def test_pooler(self) -> None:
        """A pooler that shares sessions is refused in one line that says what to do."""
        self.patch(pooler, "_BACKEND", "SELECT 1")
        engine = open_engine(self.postgres())
        said = str(self.assertRaises(StartError, check_sessions, engine))
        self.assertIn("behind a pooler that shares sessions between its clients", said)
        self.assertIn("; set pool_mode=session in pgbouncer", said)
        self.assertNotIn("\n", said)

    def test_unavailable(self) -> None:
        """A database that does not answer is reported as such."""
        engine = open_engine(make_url("postgresql+psycopg://me:secret@127.0.0.1:1/db"))
        said = str(self.assertRaises(StartError, check_sessions, engine))
        self.assertIn("does not answer", said)
        self.assertNotIn("secret", said)
