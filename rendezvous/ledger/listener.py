"""
The announcement listener: the connection on which PostgreSQL delivers what other instances announce.

Owns that connection, its loss and its replacement, in a thread of its own; it never blocks the reactor's
thread. What follows from an announcement, or from a time without a connection, is up to its receiver.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from selectors import EVENT_READ, DefaultSelector
from typing import Protocol, cast

import psycopg
from psycopg import sql
from sqlalchemy import Engine, PoolProxiedConnection
from twisted.internet.interfaces import IReactorFromThreads
from twisted.logger import Logger

from rendezvous.ledger.announcement import CHANNEL
from rendezvous.ledger.postgres_connection import describe

_log = Logger()

RETRY_SECONDS = 0.25
# A connection that has been silent for this long is probed.
PROBE_SECONDS = 15.0
# A server that accepts no writes announces nothing: it is a standby, or another is the primary now.
_IS_READ_ONLY = (
    "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean AS read_only"
)


class AnnouncementReceiver(Protocol):
    """Called on the reactor's thread, except where noted."""

    def connected(self) -> None:
        """Every announcement is received from now on. Earlier ones may have been missed."""

    def disconnected(self) -> None:
        """Announcements are missed from now on."""

    def is_relevant(self, payload: str) -> bool:
        """Return whether `received` wants an announcement. Called in the listener's thread."""

    def received(self, payload: str) -> None:
        """An announcement that `is_relevant` wants."""


class AnnouncementListener:
    """
    Listens from `start` to `stop`, on one connection after another.

    :param engine: its pool must keep no connections.
    """

    def __init__(
        self, reactor: IReactorFromThreads, engine: Engine, receiver: AnnouncementReceiver
    ) -> None:
        self._reactor = reactor
        self._engine = engine
        self._receiver = receiver
        self._stopping = threading.Event()
        self._waker, self._woken = socket.socketpair()
        # A daemon: a database that never answers must not keep the process from ending.
        self._thread = threading.Thread(target=self._work, name="listener", daemon=True)

    def start(self) -> None:
        """Start to connect."""
        self._receiver.disconnected()
        self._thread.start()

    def stop(self) -> None:
        """Deliver nothing more. Does not wait for the thread."""
        # In this order: the thread closes the waker as soon as it sees the event.
        self._waker.send(b"\0")
        self._stopping.set()

    def _work(self) -> None:
        logged = False
        while not self._stopping.is_set():
            try:
                proxy = self._engine.raw_connection()
                try:
                    connection = cast("psycopg.Connection", proxy.driver_connection)
                    self._listen(connection)
                    logged = False
                    self._receive(connection)
                finally:
                    _discard(proxy)
            except Exception as error:  # the thread must survive whatever went wrong
                if not logged:
                    logged = True
                    _log.warn(
                        "The connection to listen to other instances failed: {why}",
                        why=describe(error),
                    )
            self._call(self._receiver.disconnected)
            self._stopping.wait(RETRY_SECONDS)
        self._waker.close()
        self._woken.close()

    def _listen(self, connection: psycopg.Connection) -> None:
        connection.autocommit = True
        _probe(connection)
        # For announcements that arrive together with the result of a statement.
        connection.add_notify_handler(lambda notify: self._deliver(notify.payload))
        connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(CHANNEL)))
        self._call(self._receiver.connected)

    def _receive(self, connection: psycopg.Connection) -> None:
        with DefaultSelector() as selector:
            selector.register(connection.fileno(), EVENT_READ)
            selector.register(self._woken, EVENT_READ)
            while not self._stopping.is_set():
                while (notify := connection.pgconn.notifies()) is not None:
                    self._deliver(notify.extra.decode())
                if selector.select(PROBE_SECONDS):
                    connection.pgconn.consume_input()
                else:
                    _probe(connection)

    def _deliver(self, payload: str) -> None:
        if self._receiver.is_relevant(payload):
            self._call(lambda: self._receiver.received(payload))

    def _call(self, call: Callable[[], object]) -> None:
        if not self._stopping.is_set():
            self._reactor.callFromThread(call)


def _probe(connection: psycopg.Connection) -> None:
    row = connection.execute(_IS_READ_ONLY).fetchone()
    if row is None or row[0]:
        raise psycopg.OperationalError("the server is read-only, so nothing is announced on it")


def _discard(proxy: PoolProxiedConnection) -> None:
    with suppress(Exception):
        # It still listens, so it must not be used for anything else.
        proxy.invalidate()
