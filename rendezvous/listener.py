"""
The connection on which PostgreSQL tells of what other instances have stored.

Owns that connection, its loss and its return, in a thread of its own: nothing here waits on the reactor's
thread. What is heard, and that there was a time in which nothing could be heard, is handed to an `Ear`.
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

from rendezvous.news import CHANNEL

_log = Logger()

RETRY_SECONDS = 0.25
# A connection that has been silent for so long is asked whether it is alive.
PROBE_SECONDS = 15.0
# Where nothing can be written nothing is announced either: it is a standby, or another is the primary now.
_TAKES_NOTHING = "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean"


class Ear(Protocol):
    """Who listens; called on the reactor's thread where nothing else is said."""

    def listening(self) -> None:
        """From now on nothing is missed; before, anything may have been."""

    def deaf(self) -> None:
        """The connection has gone."""

    def concerns(self, payload: str) -> bool:
        """Whether an announcement is worth the reactor's time. Called in the listener's thread."""

    def heard(self, payload: str) -> None:
        """An announcement that is."""


class Listener:
    """Listens until it is stopped, on one connection after another."""

    def __init__(self, reactor: IReactorFromThreads, engine: Engine, ear: Ear) -> None:
        self._reactor = reactor
        self._engine = engine
        self._ear = ear
        self._stopping = threading.Event()
        self._waker, self._woken = socket.socketpair()
        # A daemon: a database that never answers must not keep the process from ending.
        self._thread = threading.Thread(target=self._work, name="listener", daemon=True)

    def start(self) -> None:
        """Connect, soon."""
        self._ear.deaf()
        self._thread.start()

    def stop(self) -> None:
        """Hear nothing more; does not wait for the thread."""
        # In this order: once it knows, the thread closes what wakes it.
        self._waker.send(b"\0")
        self._stopping.set()

    def _work(self) -> None:
        complained = False
        while not self._stopping.is_set():
            try:
                proxy = self._engine.raw_connection()
                try:
                    connection = cast("psycopg.Connection", proxy.driver_connection)
                    self._listen(connection)
                    complained = False
                    self._hear(connection)
                finally:
                    _let_go(proxy)
            except Exception as error:  # whatever it was: without a listener nothing would be heard
                if not complained:
                    complained = True
                    _log.warn("not listening to other instances: {why}", why=type(error).__name__)
            self._tell(self._ear.deaf)
            self._stopping.wait(RETRY_SECONDS)
        self._waker.close()
        self._woken.close()

    def _listen(self, connection: psycopg.Connection) -> None:
        connection.rollback()
        connection.autocommit = True
        _probe(connection)
        # For what comes along with the answer of a statement.
        connection.add_notify_handler(lambda notify: self._pass_on(notify.payload))
        connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(CHANNEL)))
        self._tell(self._ear.listening)

    def _hear(self, connection: psycopg.Connection) -> None:
        with DefaultSelector() as selector:
            selector.register(connection.fileno(), EVENT_READ)
            selector.register(self._woken, EVENT_READ)
            while not self._stopping.is_set():
                # A statement before may have brought some along.
                while (notify := connection.pgconn.notifies()) is not None:
                    self._pass_on(notify.extra.decode())
                if selector.select(PROBE_SECONDS):
                    connection.pgconn.consume_input()
                else:
                    _probe(connection)

    def _pass_on(self, payload: str) -> None:
        if self._ear.concerns(payload):
            self._tell(lambda: self._ear.heard(payload))

    def _tell(self, call: Callable[[], object]) -> None:
        if not self._stopping.is_set():
            self._reactor.callFromThread(call)


def _probe(connection: psycopg.Connection) -> None:
    answer = connection.execute(_TAKES_NOTHING).fetchone()
    if answer is None or answer[0]:
        raise psycopg.OperationalError("nothing is announced where nothing can be written")


def _let_go(proxy: PoolProxiedConnection) -> None:
    with suppress(Exception):
        # It still listens: nobody else may have it.
        proxy.invalidate()
