"""
The composition root: settings become a running server.

Owns which parts there are, what each is handed, and the order in which they start and stop. Ports are
bound before anything is changed in the database, and nobody is served before both have gone well.
"""

from __future__ import annotations

import gc
import secrets
import sqlite3
import sys
from collections.abc import Callable, Sequence

import attrs
from sqlalchemy.exc import SQLAlchemyError
from twisted.application.service import MultiService
from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocolFactory
from twisted.logger import Logger

from rendezvous.database import clock_of, open_engine, open_listener, open_runners
from rendezvous.ledger import Ledger
from rendezvous.server import Rendezvous
from rendezvous.websocket import RendezvousFactory
from transit_relay.links.pipe import RefusedError
from transit_relay.links.producer import ProducerLink
from transit_relay.links.splice import Splicing
from transit_relay.relay import Relay
from transit_relay.tcp import TransitFactory
from transit_relay.websocket import TransitWebSocketFactory
from wormhole_server import descriptors
from wormhole_server.admission import Entrance
from wormhole_server.clocks import ClockOfDay, keep_steady
from wormhole_server.endpoints import Endpoint
from wormhole_server.errors import StartError
from wormhole_server.gates import Gates
from wormhole_server.hangup import on_hangup
from wormhole_server.log_fd import LogFd
from wormhole_server.metrics import Metrics
from wormhole_server.metrics_site import LiveCounts, metrics_site
from wormhole_server.migrate import migrate
from wormhole_server.paste import paste_line
from wormhole_server.people import Reachable, people_pages
from wormhole_server.ports import Ports, tell
from wormhole_server.reactor_lag import ReactorLag
from wormhole_server.readiness import Readiness
from wormhole_server.relay_observer import Recording
from wormhole_server.reload import Configuration, Outcome, Reloader
from wormhole_server.settings import Settings, TransitLink
from wormhole_server.shutdown import Plan, Shutdown
from wormhole_server.sources import Loaded
from wormhole_server.systemd import Notifier, Watchdog
from wormhole_server.terms import relay_limits, rendezvous_terms, websocket_terms
from wormhole_server.tls.listening import Tls
from wormhole_server.usage import RelayUsage, forget_relay_usage
from wormhole_server.version import VERSION
from wormhole_server.web import web_site

_log = Logger()

# As `systemctl status` has it.
_SERVING = "Serving."


def make_service(
    loaded: Loaded,
    reactor: ReactorBase,
    *parts: Callable[[Settings], None],
    notifier: Notifier | None = None,
) -> ServerService:
    """
    A server that does what the configuration says. Opens nothing yet.

    From here on the reactor's timers run by a clock that never jumps.

    :param parts: what else is to hear of it when settings change.
    :param notifier: to tell systemd how the server is.
    """
    keep_steady(reactor)
    return ServerService(loaded, reactor, notifier or Notifier(), parts)


class ServerService(MultiService):
    """
    Rendezvous server and relay with all that belongs to them.

    :ivar started: fires when everything listens; fails with `StartError` where that cannot be.
    """

    def __init__(
        self,
        loaded: Loaded,
        reactor: ReactorBase,
        notifier: Notifier,
        parts: Sequence[Callable[[Settings], None]] = (),
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.started: Deferred[None] = Deferred()
        self._settings = settings = loaded.settings
        self._reactor = reactor
        self._day = day = ClockOfDay(reactor)
        self._notifier = notifier
        self._watchdog = Watchdog(reactor, notifier)
        self._readiness = Readiness()
        self._metrics = metrics = Metrics(VERSION)
        self._engine = open_engine(settings.database)
        self._ledger = Ledger(reactor)
        # Tells its announcements from those of other instances on the same database.
        self._instance = secrets.token_hex(4)
        self._rendezvous = Rendezvous(
            day,
            self._ledger,
            metrics.rendezvous,
            **rendezvous_terms(settings),
            forget=[forget_relay_usage],
            ask_time=clock_of(self._engine),
            instance=self._instance,
        )
        metrics.rendezvous.watch(self._ledger.backlog, self._rendezvous)
        self._listener = open_listener(reactor, self._engine, self._rendezvous.hearing)
        self._lag = ReactorLag(reactor, metrics.process.reactor_lag_seconds.observe)
        self._relay_usage = RelayUsage(
            self._ledger, settings.blur_usage, metrics.process.usage_lost
        )
        self._keepers: list[RelayUsage | LogFd] = [self._relay_usage]
        if settings.log_fd is not None:
            self._keepers.append(
                LogFd(settings.log_fd, settings.blur_usage, metrics.process.usage_lost)
            )
        self._splicing = Splicing(reactor, settings.transit_pipe_memory, metrics.relay)
        self._relay = Relay(
            reactor,
            relay_limits(settings),
            Recording(metrics.relay, [each.record for each in self._keepers], day.ahead),
            ProducerLink if settings.transit_link is TransitLink.PRODUCER else self._splicing,
        )
        self._clients = RendezvousFactory(self._rendezvous, **websocket_terms(settings))
        self._gates = Gates(settings, reactor, metrics.connections, descriptors.use_all())
        metrics.files.configuration_loaded(day)
        self._configuration = Configuration(
            loaded, [self._change, *parts], self._configuration_read_again
        )
        self._reloader = Reloader(reactor, [self._configuration])
        self._ports = Ports(
            reactor, self._gates, Tls(reactor, day, metrics.files, self._reloader.add)
        )
        self._reachable = Reachable(settings, self._ports.listening)
        self._pages = people_pages(
            reactor,
            day,
            settings,
            self._engine,
            reachable=self._reachable,
            rendezvous=self._rendezvous,
            clients=self._clients,
            relay=self._relay,
            metrics=metrics,
            several=self._listener is not None,
        )
        self._web = web_site(
            reactor,
            rendezvous=self._clients,
            relay=TransitWebSocketFactory(self._relay, reactor),
            check=self._rendezvous.check_database,
            readiness=self._readiness,
            root=self._pages.root,
            request_seconds=settings.open_handshake_timeout,
        )
        self._shutdown = Shutdown(
            reactor,
            _plan(settings),
            self._readiness,
            self._relay,
            self._clients,
            self._ports.close,
            self._say,
        )
        self._forget_hangup: Callable[[], None] | None = None
        self._serving = False

    @property
    def stopping(self) -> bool:
        """Whether it is on its way out."""
        return self._readiness.stopping

    def startService(self) -> None:
        """Bind the ports, then open the database, then serve."""
        super().startService()  # type: ignore[no-untyped-call]
        self._forget_hangup = on_hangup(self._reactor, self._reload)
        self.started = Deferred.fromCoroutine(self._start())

    def stopService(self) -> Deferred[None]:
        """Take nothing new, let what is on its way arrive, and let go of the database."""
        super().stopService()  # type: ignore[no-untyped-call]
        return Deferred.fromCoroutine(self._stop())

    def hurry(self) -> None:
        """Wait for nobody any more, where it is being stopped."""
        self._shutdown.hurry()

    async def _start(self) -> None:
        for entrance, endpoints, factory in self._doors():
            await self._ports.open(entrance, endpoints, factory)
        self._prepare_links()
        done = migrate(self._engine)
        try:
            runners = open_runners(
                self._reactor,
                self._engine,
                self._metrics.rendezvous,
                lanes=self._settings.database_threads,
                instance=self._instance,
            )
        except (sqlite3.Error, SQLAlchemyError) as error:
            raise StartError(f"database: cannot be opened: {error}") from error
        self._ledger.open(runners)
        if self._listener is not None:
            self._listener.start()
        self._rendezvous.start()
        self._lag.start()
        self._reloader.start()
        self._pages.start()
        _tune_interpreter()
        # Before that, nobody accepts a connection, and a signal is nobody's.
        running: Deferred[None] = Deferred()
        self._reactor.callWhenRunning(running.callback, None)
        await running
        self._serving = True
        tell(paste_line(self._reachable.from_outside()), self._ports.listening)
        if done is not None:
            _log.info("Database: {done}.", done=done)
        self._notifier.ready(_SERVING)
        self._watchdog.start()

    def _doors(self) -> Sequence[tuple[Entrance, Sequence[Endpoint], IProtocolFactory]]:
        settings = self._settings
        figures = metrics_site(
            self._reactor,
            self._metrics.registry,
            count=self._count,
            show=self._metrics.rendezvous.show_live_counts,
        )
        return (
            (Entrance.RENDEZVOUS, settings.rendezvous, self._web),
            (Entrance.TRANSIT, settings.transit, TransitFactory(self._relay)),
            (Entrance.METRICS, settings.metrics, figures),
        )

    def _count(self) -> Deferred[LiveCounts]:
        # A database that answers and takes nothing is of no more use than one that is away.
        sound = self._rendezvous.condition.check()
        return sound.addCallback(lambda _: self._rendezvous.live_counts())

    def _prepare_links(self) -> None:
        if self._settings.transit_link is TransitLink.PRODUCER:
            return
        try:
            self._splicing.open()
        except RefusedError as error:
            if self._settings.transit_link is TransitLink.SPLICE:
                raise StartError(
                    f"transit-link: the kernel cannot move the bytes here: {error}; "
                    "write auto or producer"
                ) from error

    def _change(self, settings: Settings) -> None:
        """Let other settings hold while the server runs."""
        # What may refuse a value comes before all that cannot.
        self._clients.configure(**websocket_terms(settings))
        self._relay.limits = relay_limits(settings)
        self._rendezvous.change(**rendezvous_terms(settings))
        self._shutdown.plan = _plan(settings)
        self._web.allow(settings.open_handshake_timeout)
        self._gates.change(settings)
        for keeper in self._keepers:
            keeper.blur_seconds = settings.blur_usage
        self._pages.blur_seconds = settings.blur_usage

    def _configuration_read_again(self, outcome: Outcome) -> None:
        files = self._metrics.files
        files.configuration_read_again(outcome)
        if outcome is Outcome.OK:
            files.configuration_loaded(self._day)

    async def _stop(self) -> None:
        self.started.addErrback(lambda _: None)
        self._reloader.stop()
        if not self._serving:
            # Nobody has been sent here who could be sent elsewhere.
            self._shutdown.plan = attrs.evolve(self._shutdown.plan, delay_seconds=0)
        self._notifier.stopping(self._shutdown.plan.longest_seconds)
        await self._shutdown.run()
        if self._forget_hangup is not None:
            self._forget_hangup()
        self._pages.stop()
        self._rendezvous.stop()
        self._splicing.close()
        if self._listener is not None:
            self._listener.stop()
        await self._relay_usage.flush()
        await self._ledger.close()
        self._engine.dispose()
        # So long the way out can be watched.
        await self._ports.close(Entrance.METRICS)
        self._lag.stop()
        self._watchdog.stop()

    def _reload(self) -> None:
        # One that only starts has read everything just now, and is not to be called ready.
        if self.started.called and not self.stopping:
            self._notifier.reloading()
            self._reloader.reload()
            self._notifier.ready(_SERVING)

    def _say(self, sentence: str) -> None:
        _log.info("{sentence}", sentence=sentence)
        self._notifier.status(sentence)


def _plan(settings: Settings) -> Plan:
    return Plan(settings.shutdown_delay, settings.shutdown_timeout, settings.shutdown_spread)


def _tune_interpreter() -> None:
    """For a process with many small objects that live long, and a thread that waits for the disk."""
    # What is here now stays: no collection has to look at it again.
    gc.collect()
    gc.freeze()
    # An idle client is a few dozen objects without cycles; looking at all of them again and again is
    # what costs. Cycles come from exceptions and closed connections, and are rare.
    gc.set_threshold(20_000, 20, 20)
    # When a commit is done its thread needs the interpreter for a moment; by default a busy reactor
    # would keep it waiting for 5 ms, as long as a slow disk does.
    sys.setswitchinterval(0.001)
