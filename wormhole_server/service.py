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
from typing import Any, cast

from sqlalchemy.exc import SQLAlchemyError
from twisted.application.service import MultiService
from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred, DeferredList, succeed
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IProtocolFactory, IReactorTime
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger

from rendezvous.database import clock_of, open_engine, open_listener, open_runners
from rendezvous.ledger import Ledger
from rendezvous.server import Limits as RendezvousLimits
from rendezvous.server import Rendezvous, Welcome
from rendezvous.sweeper import AskTime, Lifetimes
from rendezvous.usage import Usage
from rendezvous.websocket import RendezvousFactory
from transit_relay.limits import Limits as RelayLimits
from transit_relay.links.pipe import RefusedError
from transit_relay.links.producer import ProducerLink
from transit_relay.links.splice import Splicing
from transit_relay.relay import Relay
from transit_relay.tcp import TransitFactory
from transit_relay.websocket import TransitWebSocketFactory
from wormhole_server.clocks import ClockOfDay, keep_steady
from wormhole_server.endpoints import Endpoint
from wormhole_server.errors import StartError
from wormhole_server.log_fd import LogFd
from wormhole_server.metrics import Metrics
from wormhole_server.metrics_site import LiveCounts, metrics_site
from wormhole_server.migrate import migrate
from wormhole_server.pages.days import Days, read_days
from wormhole_server.pages.site import Pages, Sources
from wormhole_server.pages.snapshot import Now
from wormhole_server.paste import local_host, paste_line
from wormhole_server.reach import Listener, Public, Reach, reach, reach_of_visitor
from wormhole_server.reactor_lag import ReactorLag
from wormhole_server.relay_observer import Recording
from wormhole_server.settings import Settings, TransitLink
from wormhole_server.usage import RelayUsage, forget_relay_usage
from wormhole_server.version import VERSION
from wormhole_server.web import web_site

_log = Logger()

# The relay has no other word for it.
_NEVER_SECONDS = 365 * 86400.0
# What is on its way when the server is stopped has so long to arrive.
_GOODBYE_SECONDS = 5.0


def make_service(settings: Settings, reactor: ReactorBase) -> ServerService:
    """
    A server that does what `settings` say. Opens nothing yet.

    From here on the reactor's timers run by a clock that never jumps.
    """
    keep_steady(reactor)
    return ServerService(settings, reactor)


class ServerService(MultiService):
    """
    Rendezvous server and relay with all that belongs to them.

    :ivar started: fires when everything listens; fails with `StartError` where that cannot be.
    """

    def __init__(self, settings: Settings, reactor: ReactorBase) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.started: Deferred[None] = Deferred()
        self._settings = settings
        self._reactor = reactor
        day = ClockOfDay(reactor)
        self._ports: list[IListeningPort] = []
        self._metrics = metrics = Metrics(VERSION)
        self._engine = open_engine(settings.database)
        self._ledger = Ledger(reactor)
        # Tells its announcements from those of other instances on the same database.
        self._instance = secrets.token_hex(4)
        self._rendezvous = _rendezvous(
            settings, day, self._ledger, metrics, clock_of(self._engine), self._instance
        )
        metrics.rendezvous.watch(self._ledger.backlog, self._rendezvous)
        self._listener = open_listener(reactor, self._engine, self._rendezvous.hearing)
        self._lag = ReactorLag(reactor, metrics.process.reactor_lag_seconds.observe)
        self._relay_usage = RelayUsage(
            self._ledger, settings.blur_usage, metrics.process.usage_lost
        )
        keep = [self._relay_usage.record]
        if settings.log_fd is not None:
            keep.append(
                LogFd(settings.log_fd, settings.blur_usage, metrics.process.usage_lost).record
            )
        self._splicing = Splicing(reactor, settings.transit_pipe_memory, metrics.relay)
        self._relay = Relay(
            reactor,
            _relay_limits(settings),
            Recording(metrics.relay, keep, day.ahead),
            ProducerLink if settings.transit_link is TransitLink.PRODUCER else self._splicing,
        )
        self._clients = _websocket_factory(settings, self._rendezvous)
        self._listening: dict[str, list[Listener]] = {}
        self._pages = Pages(reactor, day.seconds, self._sources(), status=settings.status_page)

    def startService(self) -> None:
        """Bind the ports, then open the database, then serve."""
        super().startService()  # type: ignore[no-untyped-call]
        self.started = Deferred.fromCoroutine(self._start())

    def stopService(self) -> Deferred[None]:
        """Take nothing new, let what is on its way arrive, and let go of the database."""
        super().stopService()  # type: ignore[no-untyped-call]
        return Deferred.fromCoroutine(self._stop())

    async def _start(self) -> None:
        for name, endpoints, factory in self._doors():
            self._listening[name] = [
                await self._listen(name, endpoint, factory) for endpoint in endpoints
            ]
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
        self._pages.start()
        _tune_interpreter()
        self._tell()
        if done is not None:
            _log.info("Database: {done}.", done=done)

    def _doors(self) -> Sequence[tuple[str, Sequence[Endpoint], IProtocolFactory]]:
        settings = self._settings
        web = web_site(
            self._reactor,
            rendezvous=self._clients,
            relay=TransitWebSocketFactory(self._relay, self._reactor),
            check=self._rendezvous.check_database,
            root=self._pages.root,
            request_seconds=settings.open_handshake_timeout,
        )
        figures = metrics_site(
            self._reactor,
            self._metrics.registry,
            count=cast("Callable[[], Deferred[LiveCounts]]", self._rendezvous.live_counts),
            show=self._metrics.rendezvous.show_live_counts,
        )
        return (
            ("rendezvous", settings.rendezvous, web),
            ("transit", settings.transit, TransitFactory(self._relay)),
            ("metrics", settings.metrics, figures),
        )

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

    async def _listen(self, name: str, endpoint: Endpoint, factory: IProtocolFactory) -> Listener:
        try:
            port = await serverFromString(self._reactor, endpoint).listen(factory)
        except CannotListenError as error:
            why = getattr(error.socketError, "strerror", None) or error.socketError
            raise StartError(
                f"{name}: cannot listen on {endpoint}: {why}; stop the program that does, "
                f"or give --{name} another port"
            ) from error
        except Exception as error:  # an endpoint's plugin may raise whatever it likes
            raise StartError(f"{name}: cannot listen on {endpoint}: {error}") from error
        self._ports.append(port)
        return Listener(endpoint, port.getHost())

    def _reach(self) -> Reach:
        listening = self._listening
        return reach(
            listening["rendezvous"], listening["transit"], _public(self._settings), local_host
        )

    def _reach_of_visitor(self, host: str | None, secure: bool) -> Reach:
        return reach_of_visitor(
            host,
            secure=secure,
            transit=self._listening["transit"],
            public=_public(self._settings),
            otherwise=self._reach,
        )

    def _sources(self) -> Sources:
        relay, rendezvous, metrics = self._relay, self._rendezvous, self._metrics

        def read(first: int) -> Deferred[Days]:
            pool = self._reactor.getThreadPool()
            return deferToThreadPool(self._reactor, pool, read_days, self._engine, first)

        def now() -> Now:
            live = relay.live
            return Now(len(self._clients.connections), live.waiting, live.paired // 2)

        return Sources(
            version=VERSION,
            reach=self._reach_of_visitor,
            words=lambda: rendezvous.welcome,
            now=now,
            counted=metrics.tally,
            read_days=read,
            blur_seconds=lambda: self._settings.blur_usage,
            several=self._listener is not None,
        )

    def _tell(self) -> None:
        line = paste_line(self._reach())
        if line is not None:
            _log.info("Ready. On the other machine: {line}", line=line)
        else:
            _log.info("Ready.")
        for listener in self._listening["metrics"]:
            host = getattr(listener.address, "host", None)
            if host is not None:
                place = f"[{host}]" if ":" in host else host
                port = getattr(listener.address, "port", None)
                _log.info("Metrics: http://{place}:{port}/metrics", place=place, port=port)

    async def _stop(self) -> None:
        self.started.addErrback(lambda _: None)
        ports, self._ports = self._ports, []
        await DeferredList([_stop_listening(port) for port in ports])
        self._lag.stop()
        self._pages.stop()
        self._rendezvous.stop()
        self._clients.go_away()
        gone: list[Deferred[None]] = [self._relay.close_all(), self._clients.when_empty()]
        for each in gone:
            each.addTimeout(_GOODBYE_SECONDS, self._reactor, onTimeoutCancel=lambda *_: None)
        await DeferredList(gone)
        self._splicing.close()
        if self._listener is not None:
            self._listener.stop()
        await self._relay_usage.flush()
        await self._ledger.close()
        self._engine.dispose()


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


def _stop_listening(port: IListeningPort) -> Deferred[Any]:
    stopped = port.stopListening()
    return stopped if isinstance(stopped, Deferred) else succeed(stopped)


def _public(settings: Settings) -> Public:
    return Public(settings.public_host, settings.public_url, settings.public_transit)


def _rendezvous(
    settings: Settings,
    clock: IReactorTime,
    ledger: Ledger,
    metrics: Metrics,
    ask_time: AskTime | None,
    instance: str,
) -> Rendezvous:
    return Rendezvous(
        clock,
        ledger,
        metrics.rendezvous,
        welcome=Welcome(settings.motd, settings.signal_error, settings.advertise_version),
        limits=RendezvousLimits(
            send_buffer_bytes=settings.send_buffer_limit,
            ping_seconds=settings.websocket_ping_interval or 0.0,
            ping_timeout_seconds=settings.websocket_ping_timeout,
        ),
        lifetimes=Lifetimes(
            nameplate_seconds=settings.nameplate_expiry,
            mailbox_seconds=settings.mailbox_expiry,
            usage_seconds=settings.usage_retention,
            interval_seconds=settings.expiry_interval,
        ),
        usage=Usage(settings.blur_usage),
        list_allowed=not settings.disallow_list,
        forget=[forget_relay_usage],
        ask_time=ask_time,
        instance=instance,
    )


def _websocket_factory(settings: Settings, rendezvous: Rendezvous) -> RendezvousFactory:
    return RendezvousFactory(
        rendezvous,
        max_message_bytes=settings.message_size_limit,
        open_handshake_seconds=settings.open_handshake_timeout,
        allowed_origins=settings.allowed_origin,
        options={option.name: option.value for option in settings.websocket_protocol_option},
    )


def _relay_limits(settings: Settings) -> RelayLimits:
    return RelayLimits(
        handshake_seconds=settings.transit_handshake_timeout,
        wait_seconds=settings.transit_wait_timeout,
        idle_seconds=settings.transit_idle_timeout,
        drain_seconds=settings.transit_drain_timeout,
        keepalive_idle_seconds=round(settings.transit_keepalive_idle),
        keepalive_interval_seconds=round(settings.transit_keepalive_interval),
        keepalive_count=settings.transit_keepalive_count,
        open_seconds=settings.open_handshake_timeout,
        ping_seconds=settings.websocket_ping_interval or _NEVER_SECONDS,
        pong_seconds=settings.websocket_ping_timeout,
    )
