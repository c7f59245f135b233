"""Tests of `rendezvous.listener`, on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
from sqlalchemy import event
from twisted.trial.unittest import SynchronousTestCase

from rendezvous import listener
from rendezvous.database import open_engine
from rendezvous.listener import Listener
from rendezvous.news import CHANNEL
from tests.databases import drop_postgres, new_postgres_url
from tests.rendezvous.fakes import Reactor


class Ears:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def listening(self) -> None:
        """See `listener.Ear`."""
        self.told.append("listening")

    def deaf(self) -> None:
        """See `listener.Ear`."""
        self.told.append("deaf")

    def concerns(self, payload: str) -> bool:
        """See `listener.Ear`."""
        return payload != "own"

    def heard(self, payload: str) -> None:
        """See `listener.Ear`."""
        self.told.append(payload)


class ListenerTests(SynchronousTestCase):
    """A listener, and somebody who announces."""

    def setUp(self) -> None:
        """Let it listen."""
        url = new_postgres_url()
        self.addCleanup(drop_postgres, url)
        self.reactor = Reactor()
        self.ears = Ears()
        self.engine = open_engine(url)
        self.listener = Listener(self.reactor, self.engine, self.ears)
        dsn = url.set(drivername="postgresql").render_as_string(hide_password=False)
        self.outside = psycopg.connect(dsn, autocommit=True)
        self.addCleanup(self.outside.close)
        self.addCleanup(self.end)

    def end(self) -> None:
        """It ends when it is told to, without waiting for anything."""
        if self.listener._thread.is_alive():
            self.listener.stop()
            self.listener._thread.join(5.0)
        self.assertFalse(self.listener._thread.is_alive())

    def until(self, there: Callable[[], bool]) -> None:
        """Turn until something is so."""
        self.reactor.until(there)

    def notify(self, payload: str) -> None:
        """Announce."""
        self.outside.execute("SELECT pg_notify(%s, %s)", [CHANNEL, payload])

    def kill(self) -> None:
        """End its connection on the server's side."""
        self.outside.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
            " WHERE query LIKE 'LISTEN%' AND datname = current_database()"
        )

    def test_hears(self) -> None:
        """What is announced and concerns it is heard, in order."""
        self.listener.start()
        self.until(lambda: self.ears.told == ["deaf", "listening"])
        self.notify("own")
        for number in range(5):
            self.notify(f"{number}")
        self.until(lambda: len(self.ears.told) == 7)
        self.assertEqual(self.ears.told[2:], ["0", "1", "2", "3", "4"])

    def test_lost_connection(self) -> None:
        """A lost connection is told of, and replaced by itself."""
        self.listener.start()
        self.until(lambda: self.ears.told[-1:] == ["listening"])
        for _ in range(2):
            self.ears.told.clear()
            self.kill()
            self.until(lambda: self.ears.told == ["deaf", "listening"])
            self.notify("again")
            self.until(lambda: self.ears.told[-1] == "again")

    def test_no_database(self) -> None:
        """Without a database it tries again and again, and is deaf until one is there."""
        attempts: list[int] = []

        def refuse(*_: object) -> None:
            attempts.append(1)
            if len(attempts) < 3:
                raise psycopg.OperationalError("connection refused")

        event.listen(self.engine, "do_connect", refuse)
        self.patch(listener, "RETRY_SECONDS", 0.01)
        self.listener.start()
        self.until(lambda: "listening" in self.ears.told)
        self.assertEqual(self.ears.told, ["deaf", "deaf", "deaf", "listening"])

    def test_silence(self) -> None:
        """A connection that has been silent is asked whether it is alive, and hears all the same."""
        self.patch(listener, "PROBE_SECONDS", 0.01)
        self.listener.start()
        self.until(lambda: self.ears.told == ["deaf", "listening"])
        for number in range(20):
            self.notify(f"{number}")
            self.until(lambda number=number: self.ears.told[-1] == f"{number}")  # type: ignore[misc]
        self.assertEqual(len(self.ears.told), 22)

    def test_not_the_primary_any_more(self) -> None:
        """A server on which nothing can be written any more is left, and not gone back to."""
        self.patch(listener, "PROBE_SECONDS", 0.01)
        self.patch(listener, "RETRY_SECONDS", 0.01)
        self.listener.start()
        self.until(lambda: self.ears.told == ["deaf", "listening"])
        (name,) = self.outside.execute("SELECT current_database()").fetchone() or ("",)
        self.outside.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        self.kill()
        self.until(lambda: self.ears.told[2:5] == ["deaf"] * 3)
        self.outside.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        self.until(lambda: self.ears.told[-1] == "listening")
        self.assertEqual(self.ears.told.count("listening"), 2)

    def test_silent_because_read_only(self) -> None:
        """A server that is silent because another is the primary now is found out by asking it."""
        self.patch(listener, "PROBE_SECONDS", 0.01)
        self.listener.start()
        self.until(lambda: self.ears.told == ["deaf", "listening"])
        self.patch(listener, "_TAKES_NOTHING", "SELECT true")
        self.until(lambda: self.ears.told[2:3] == ["deaf"])

    def test_stopped(self) -> None:
        """After the stop nothing more is told, and the thread ends at once."""
        self.listener.start()
        self.until(lambda: self.ears.told[-1:] == ["listening"])
        self.end()
        self.notify("late")
        self.reactor.turn()
        self.assertEqual(self.ears.told, ["deaf", "listening"])
