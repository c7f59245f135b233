"""
The rendezvous part: the database, the ledger, the rendezvous server and the factory for its clients.

Owns the order in which they open and close. Nothing is changed in the database before the service starts.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError
from twisted.application.service import MultiService
from twisted.internet import defer
from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress
from twisted.internet.task import deferLater

from rendezvous.connections.websocket import RendezvousFactory
from rendezvous.database import (
    database_clock,
    disk_reader,
    open_engine,
    open_listener,
    open_runners,
    space_saver,
)
from rendezvous.errors import LedgerUnavailable
from rendezvous.ledger.ledger import Ledger
from rendezvous.ledger.worker import Worker
from rendezvous.server import LiveCounts, Rendezvous
from wormhole_limits.recent_addresses import RecentAddresses
from wormhole_limits.scheduler import Scheduler
from wormhole_server.config.database_url import masked
from wormhole_server.config.settings import Settings
from wormhole_server.database.files import let_file_shrink
from wormhole_server.database.migrate import migrate
from wormhole_server.database.server_lock import ServerLock
from wormhole_server.database.sessions import check_sessions
from wormhole_server.errors import DatabaseUnavailableError, StartError
from wormhole_server.metrics.rendezvous import RendezvousMetrics
from wormhole_server.service.arguments import rendezvous_arguments, websocket_arguments
from wormhole_server.usage.database_writer import delete_old_records

# Between two attempts to reach a database that is unavailable.
_RETRY_SECONDS = 1.0
# A server that is being replaced may still be stopping.
_RESTART_SECONDS = 10.0
# Connections are made within milliseconds, unless the machine is overloaded.
_CONNECT_SECONDS = 10.0
_CHECK_SECONDS = 0.1
# Nothing is said about a wait that is shorter.
_SILENT_SECONDS = 2.0


class RendezvousService(MultiService):
    """
    Runs on its database while the service runs.

    :param day: the time of day, in seconds since the epoch.
    :param bounds: told of the bounds that clients meet, and asked whose addresses have met one lately.
    :param scheduler: shared by all connections of the process.
    :param deny: returns the message for a client that is on the deny list; None: it is not.
    :param report: called with a sentence, and how many seconds remain, when the start waits for the database.
    :ivar engine: connects to the database.
    :ivar shared: whether other instances may use the same database.
    :ivar migrated: what the start changed in the database's schema; None: nothing.
    """

    def __init__(
        self,
        reactor: ReactorBase,
        day: Callable[[], float],
        scheduler: Scheduler,
        settings: Settings,
        metrics: RendezvousMetrics,
        bounds: RecentAddresses,
        deny: Callable[[IAddress], str | None],
        report: Callable[[str, float], None],
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._reactor = reactor
        self._metrics = metrics
        self._lanes = settings.database_threads
        self._wait_seconds = settings.database_wait
        self._report = report
        self._reported = ""
        self._listening = False
        # Distinguishes its announcements from those of other instances on the same database.
        self._instance = secrets.token_hex(4)
        self.engine = open_engine(settings.database_url)
        self._lock = ServerLock(settings.database_url)
        self.ledger = Ledger(scheduler)
        self.server = Rendezvous(
            reactor,
            day,
            self.ledger,
            metrics,
            bounds,
            **rendezvous_arguments(settings),
            deny=deny,
            over_bound=bounds.met_lately,
            forget=[delete_old_records],
            database_time=database_clock(self.engine),
            read_disk=disk_reader(self.engine),
            give_back=space_saver(self.engine),
            instance=self._instance,
        )
        self.server.setServiceParent(self)  # type: ignore[no-untyped-call]
        self.clients = RendezvousFactory(self.server, **websocket_arguments(settings))
        self._listener = open_listener(reactor, self.engine, self.server.announcements)
        self.shared = self._listener is not None
        self.migrated: str | None = None
        metrics.watch(self.ledger.backlog, self.server)

    def change(self, settings: Settings) -> None:
        """
        Apply other settings.

        :raises ValueError: they cannot be applied; nothing is changed.
        """
        # The factory may refuse a value, and nothing after it does.
        self.clients.configure(**websocket_arguments(settings))
        self.server.change(**rendezvous_arguments(settings))

    def startService(self) -> Deferred[None]:
        """
        Bring the database up to date, open it, and wait until it can be used.

        :return: fires when clients can be served; fails with `StartError` where they cannot.
        """
        return Deferred.fromCoroutine(self._start())

    async def _start(self) -> None:
        began = self._reactor.seconds()
        await self._acquire_lock(began + min(self._wait_seconds, _RESTART_SECONDS))
        try:
            self._prepare()
        except DatabaseUnavailableError as error:
            await self._prepare_later(error, began + self._wait_seconds)
        self._open()
        if self.shared:
            now = self._reactor.seconds()
            deadline = max(began + self._wait_seconds, now + _CONNECT_SECONDS)
            await self._wait_until_ready(now + _SILENT_SECONDS, deadline)

    async def _acquire_lock(self, deadline: float) -> None:
        """:raises DatabaseUnavailableError: another server uses the database, and goes on to do so."""
        while True:
            try:
                self._lock.acquire()
            except DatabaseUnavailableError as error:
                left = deadline - self._reactor.seconds()
                if left <= 0:
                    raise
                self._report_wait(str(error), left)
                await deferLater(self._reactor, min(_CHECK_SECONDS, left), lambda: None)
            else:
                return

    def _prepare(self) -> None:
        """:raises DatabaseUnavailableError: it cannot be done now."""
        check_sessions(self.engine)
        self.migrated = migrate(self.engine)
        let_file_shrink(self.engine)

    async def _prepare_later(self, error: DatabaseUnavailableError, deadline: float) -> None:
        """Prepare the database when it is available. A thread tries: an attempt takes seconds."""
        worker = Worker(self._reactor, "start")
        try:
            while (left := deadline - self._reactor.seconds()) > 0:
                self._report_wait(str(error), left)
                await deferLater(self._reactor, min(_RETRY_SECONDS, left), lambda: None)
                try:
                    await _call_in(worker, self._prepare).addTimeout(
                        max(deadline, self._reactor.seconds() + _CONNECT_SECONDS)
                        - self._reactor.seconds(),
                        self._reactor,
                    )
                except DatabaseUnavailableError as another:
                    error = another
                except defer.TimeoutError:
                    break
                else:
                    return
        finally:
            worker.stop()
        raise error

    def _open(self) -> None:
        try:
            runners = open_runners(
                self._reactor,
                self.engine,
                self._metrics,
                lanes=self._lanes,
                instance=self._instance,
            )
        except (sqlite3.Error, SQLAlchemyError) as error:
            raise StartError(f"database: cannot be opened: {error}") from error
        self.ledger.open(runners)
        if self._listener is not None:
            self._listener.start()
            self._listening = True
        super().startService()  # type: ignore[no-untyped-call]

    async def _wait_until_ready(self, silent_until: float, deadline: float) -> None:
        """Wait until `/readyz` would say that the server is ready."""
        while True:
            try:
                await self.server.check_database()
            except LedgerUnavailable as error:
                why = f"database: {masked(self.engine.url)} cannot be used: {error}"
                now = self._reactor.seconds()
                if now >= deadline:
                    raise StartError(f"{why}; check that it accepts writes") from None
                if now >= silent_until:
                    self._report_wait(why, deadline - now)
                await deferLater(self._reactor, _CHECK_SECONDS, lambda: None)
            else:
                return

    def _report_wait(self, why: str, seconds: float) -> None:
        if why != self._reported:
            self._reported = why
            self._report(f"Not ready, waiting up to {seconds:.0f} s: {why}.", seconds)

    def stopService(self) -> Deferred[None]:
        """Stop the timers, and close the database after the operations that it has."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        await super().stopService()  # type: ignore[no-untyped-call]
        if self._listener is not None and self._listening:
            self._listener.stop()
        await self.ledger.close()
        self.engine.dispose()
        self._lock.release()

    def count_rows(self) -> Deferred[LiveCounts]:
        """Count what is in the database; fails while the database does not take anything."""
        # A database that answers, but takes no writes, is as useless as one that does not answer.
        return self.server.condition.check().addCallback(lambda _: self.server.live_counts())


def _call_in(worker: Worker, call: Callable[[], None]) -> Deferred[None]:
    """Call a function in the worker's thread."""
    # Its outcome may come after the caller has given up.
    done: Deferred[None] = Deferred(lambda _: None)

    def task() -> Callable[[], object]:
        call()
        return lambda: None if done.called else done.callback(None)

    worker.run(task, lambda error: None if done.called else done.errback(error))
    return done
