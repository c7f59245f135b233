"""Tests of `rendezvous.ledger.listener`, on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
from sqlalchemy import event
from twisted.logger import LogLevel, capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from rendezvous.database import open_engine
from rendezvous.ledger import listener
from rendezvous.ledger.announcement import CHANNEL
from rendezvous.ledger.listener import AnnouncementListener
from tests.databases import drop_postgres, new_postgres_url
from tests.rendezvous.fakes import Reactor


class Receiver:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def connected(self) -> None:
        """See `AnnouncementReceiver`."""
        self.told.append("connected")

    def disconnected(self) -> None:
        """See `AnnouncementReceiver`."""
        self.told.append("disconnected")

    def is_relevant(self, payload: str) -> bool:
        """See `AnnouncementReceiver`."""
        return payload != "own"

    def received(self, payload: str) -> None:
        """See `AnnouncementReceiver`."""
        self.told.append(payload)


@pytest.mark.processes
class ListenerTests(SynchronousTestCase):
    """A listener, and somebody who announces."""

    def setUp(self) -> None:
        """Let it listen."""
        url = new_postgres_url()
        self.addCleanup(drop_postgres, url)
        self.reactor = Reactor()
        self.receiver = Receiver()
        self.engine = open_engine(url)
        self.listener = AnnouncementListener(self.reactor, self.engine, self.receiver)
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
            " WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )

    def test_hears(self) -> None:
        """What is announced and concerns it is heard, in order."""
        self.listener.start()
        self.until(lambda: self.receiver.told == ["disconnected", "connected"])
        self.notify("own")
        for number in range(5):
            self.notify(f"{number}")
        self.until(lambda: len(self.receiver.told) == 7)
        self.assertEqual(self.receiver.told[2:], ["0", "1", "2", "3", "4"])

    def test_lost_connection(self) -> None:
        """A lost connection is told of, and replaced by itself."""
        self.listener.start()
        self.until(lambda: self.receiver.told[-1:] == ["connected"])
        for _ in range(2):
            self.receiver.told.clear()
            self.kill()
            self.until(lambda: self.receiver.told == ["disconnected", "connected"])
            self.notify("again")
            self.until(lambda: self.receiver.told[-1] == "again")

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
        self.until(lambda: "connected" in self.receiver.told)
        self.assertEqual(
            self.receiver.told, ["disconnected", "disconnected", "disconnected", "connected"]
        )

    def test_logged_once(self) -> None:
        """Each time without a connection is logged once, however often one is tried."""
        refusing = [True]
        attempts: list[int] = []

        def refuse(*_: object) -> None:
            attempts.append(1)
            if refusing[0]:
                raise psycopg.OperationalError("connection refused")

        event.listen(self.engine, "do_connect", refuse)
        self.patch(listener, "RETRY_SECONDS", 0.01)
        with capturedLogs() as events:
            self.listener.start()
            for logged in (1, 2):
                attempts.clear()
                self.until(lambda: len(attempts) > 2)
                self.assertEqual(len(events), logged)
                refusing[0] = False
                self.until(lambda: self.receiver.told[-1] == "connected")
                refusing[0] = True
                self.kill()
            self.until(lambda: len(events) == 3)
        self.assertEqual({event["log_level"] for event in events}, {LogLevel.warn})

    def test_discarded(self) -> None:
        """A connection that has listened goes back to no pool."""
        discarded: list[object] = []
        event.listen(self.engine, "invalidate", lambda *each: discarded.append(each))
        self.listener.start()
        self.until(lambda: self.receiver.told[-1:] == ["connected"])
        self.assertEqual(discarded, [])
        self.end()
        self.assertEqual(len(discarded), 1)

    def test_pause(self) -> None:
        """A database that refuses connections is not tried again at once."""
        attempts: list[int] = []

        def refuse(*_: object) -> None:
            attempts.append(1)
            raise psycopg.OperationalError("connection refused")

        event.listen(self.engine, "do_connect", refuse)
        self.patch(listener, "RETRY_SECONDS", 60.0)
        self.listener.start()
        self.until(lambda: len(self.receiver.told) == 2)
        self.end()
        self.assertEqual(attempts, [1])

    def test_process_may_end(self) -> None:
        """A thread that waits for the database does not keep the process from ending."""
        self.listener.start()
        self.assertTrue(self.listener._thread.daemon)

    def test_silence(self) -> None:
        """A connection that has been silent is asked whether it is alive, and hears all the same."""
        self.patch(listener, "PROBE_SECONDS", 0.01)
        self.listener.start()
        self.until(lambda: self.receiver.told == ["disconnected", "connected"])
        for number in range(20):
            self.notify(f"{number}")
            self.until(lambda number=number: self.receiver.told[-1] == f"{number}")  # type: ignore[misc]
        self.assertEqual(len(self.receiver.told), 22)

    def test_with_the_answer_to_a_probe(self) -> None:
        """An announcement that arrives together with the answer to a probe is received."""
        self.patch(listener, "PROBE_SECONDS", 0.01)
        self.listener.start()
        self.until(lambda: self.receiver.told == ["disconnected", "connected"])
        self.patch(listener, "_IS_READ_ONLY", f"SELECT pg_notify('{CHANNEL}', 'probed') IS NULL")
        self.until(lambda: self.receiver.told[2:3] == ["probed"])

    def test_not_the_primary_any_more(self) -> None:
        """A server on which nothing can be written any more is left, and not gone back to."""
        self.patch(listener, "PROBE_SECONDS", 0.01)
        self.patch(listener, "RETRY_SECONDS", 0.01)
        self.listener.start()
        self.until(lambda: self.receiver.told == ["disconnected", "connected"])
        (name,) = self.outside.execute("SELECT current_database()").fetchone() or ("",)
        self.outside.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        self.kill()
        self.until(lambda: self.receiver.told[2:5] == ["disconnected"] * 3)
        self.outside.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        self.until(lambda: self.receiver.told[-1] == "connected")
        self.assertEqual(self.receiver.told.count("connected"), 2)

    def test_silent_because_read_only(self) -> None:
        """A server that is silent because another is the primary now is found out by asking it."""
        self.patch(listener, "PROBE_SECONDS", 0.01)
        self.listener.start()
        self.until(lambda: self.receiver.told == ["disconnected", "connected"])
        self.patch(listener, "_IS_READ_ONLY", "SELECT true")
        self.until(lambda: self.receiver.told[2:3] == ["disconnected"])

    def test_stopped(self) -> None:
        """After the stop nothing more is told, and the thread ends at once."""
        self.listener.start()
        self.until(lambda: self.receiver.told[-1:] == ["connected"])
        self.end()
        self.notify("late")
        self.reactor.turn()
        self.assertEqual(self.receiver.told, ["disconnected", "connected"])
        for end in (self.listener._waker, self.listener._woken):
            self.assertEqual(end.fileno(), -1)
