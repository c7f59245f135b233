"""Tests of `rendezvous.ledger.pooler`, on a real PostgreSQL with what poolers do in between."""

from __future__ import annotations

from typing import Any

import psycopg
from sqlalchemy import Engine, event

from rendezvous.database import open_engine
from rendezvous.ledger import pooler
from rendezvous.ledger.pooler import lost_sessions
from tests.rendezvous.postgres_connections import ConnectionCase


class WithoutListen(psycopg.Connection[Any]):
    """A connection whose LISTEN reaches no session of its own."""

    def execute(self, query: Any, *arguments: Any, **options: Any) -> Any:
        """Run it, unless it is LISTEN."""
        text = query if isinstance(query, str) else query.as_string(self)
        return super().execute(
            "SELECT 1" if text.startswith("LISTEN") else query, *arguments, **options
        )


class LostSessionsTests(ConnectionCase):
    def engine(self, connect: Any = None) -> Engine:
        """An engine whose connections are made by `connect`."""
        engine = open_engine(self._url)
        if connect is not None:
            event.listen(engine, "do_connect", lambda _d, _r, args, keys: connect(*args, **keys))
        self.addCleanup(engine.dispose)
        return engine

    def test_kept(self) -> None:
        """Without a pooler sessions are kept."""
        self.assertIsNone(lost_sessions(self.engine()))

    def test_shared(self) -> None:
        """Two connections that get one session are noticed."""
        shared = self.connect()
        self.assertEqual(
            lost_sessions(self.engine(lambda *_, **__: shared)),
            "shares sessions between its clients",
        )

    def test_no_notifications(self) -> None:
        """A pooler that loses LISTEN is noticed, even if statements of both clients reach a session."""
        self.patch(pooler, "_NOTIFICATION_SECONDS", 0.01)
        self.assertEqual(
            lost_sessions(self.engine(WithoutListen.connect)), "does not deliver notifications"
        )
