"""
The server service: every part of a running server as a child service, in the order of their start.

Owns which parts there are, what each is given, and that order. Children start one after the other and stop
in the reverse order, each after the one before has stopped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

from twisted.application.service import Service
from twisted.internet.base import ReactorBase
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IAddress, IReactorFDSet, IReactorUNIX
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.tcp import Server
from twisted.logger import Logger, globalLogPublisher

from rendezvous.errors import LedgerUnavailable
from transit_relay.relay import Relay
from transit_relay.tcp import TransitFactory
from transit_relay.websocket import TransitWebSocketFactory
from wormhole_limits.recent_addresses import RecentAddresses
from wormhole_limits.scheduler import Scheduler
from wormhole_server.config.endpoints import Endpoint, on_ipv4
from wormhole_server.config.settings import Settings
from wormhole_server.config.sources import Loaded
from wormhole_server.errors import StartStoppedError
from wormhole_server.lifecycle.launch import tune_interpreter
from wormhole_server.lifecycle.reload import ReloadableSettings, Reloader, ReloadOutcome
from wormhole_server.lifecycle.shutdown import Shutdown, ShutdownTimes
from wormhole_server.lifecycle.signals import SignalHandler
from wormhole_server.lifecycle.systemd import Notifier, make_watchdog
from wormhole_server.listening.connection_in_turn import ConnectionInTurn
from wormhole_server.listening.deny_list import ReloadableDenyList
from wormhole_server.listening.descriptors import raise_descriptor_limit
from wormhole_server.listening.factory import ConnectionAddress, LimitingFactory, may_hold
from wormhole_server.listening.limiter import ListenerKind
from wormhole_server.listening.memory import ConnectionMemory
from wormhole_server.listening.policy import ConnectionPolicy
from wormhole_server.listening.ports import Ports
from wormhole_server.listening.tls.wrapper import TlsWrapper
from wormhole_server.metrics.bounds import BoundLog
from wormhole_server.metrics.process import LoggedExceptions, ReactorLag
from wormhole_server.metrics.registry import Metrics
from wormhole_server.service.arguments import memory_limits, relay_limits, web_client
from wormhole_server.service.predecessor import Predecessor
from wormhole_server.service.ready import ReadyReport, metrics_urls
from wormhole_server.service.relay import RelayLinks, RelayRecords
from wormhole_server.service.rendezvous import RendezvousService
from wormhole_server.service.successor import Successor
from wormhole_server.version import VERSION
from wormhole_server.web.addresses import PublicAddresses, local_host
from wormhole_server.web.metrics_page import metrics_site
from wormhole_server.web.pages.client_commands import page_url, receive_command, send_command
from wormhole_server.web.pages.service import PagesService
from wormhole_server.web.pages.sources import LivePagesSource
from wormhole_server.web.path_prefix import PathPrefix
from wormhole_server.web.site import web_site
from wormhole_twisted.internals import (
    call_without_log_context,
    run_timers_by_steady_clock,
    share_attribute_names,
)
from wormhole_twisted.sequence import SequentialService

_log = Logger()

# As `systemctl status` shows it.
_SERVING = "Serving."
_REFUSED = "Serving with the previous configuration: the changed one was refused; the log says why."


def make_service(
    loaded: Loaded,
    reactor: ReactorBase,
    notifier: Notifier,
    report_ready: Callable[[ReadyReport], None],
    *parts: Callable[[Settings], None],
) -> ServerService:
    """
    Make a server; open nothing yet.

    From here on the reactor's timers run by a clock that never jumps.

    :param notifier: notifies systemd.
    :param report_ready: called once, when the server serves.
    :param parts: called with the settings when they change, beside the parts of the server.
    """
    run_timers_by_steady_clock(reactor)
    call_without_log_context(reactor)
    share_attribute_names(Server)
    return ServerService(
        loaded,
        reactor,
        time.time,  # noqa: TID251 - handed out here
        time.monotonic,  # noqa: TID251
        notifier,
        report_ready,
        parts,
    )


class ServerService(SequentialService):
    """
    Rendezvous server and relay, with everything that belongs to them.

    :param reactor: its clock, which is steady, runs timers and measures durations.
    :param day: the time of day in seconds since the epoch, for what is written down.
    :param monotonic: seconds of CLOCK_MONOTONIC, which the process before this one and the next one share.
    :param notifier: notifies systemd.
    :param report_ready: called once, when the server serves.
    :param parts: called with the settings when they change, beside the parts of the server.
    :ivar started: fires when the server serves; fails with `StartError` where it cannot.
    """

    def __init__(
        self,
        loaded: Loaded,
        reactor: ReactorBase,
        day: Callable[[], float],
        monotonic: Callable[[], float],
        notifier: Notifier,
        report_ready: Callable[[ReadyReport], None],
        parts: Sequence[Callable[[Settings], None]],
    ) -> None:
        super().__init__()
        settings = loaded.settings
        self._reactor = reactor
        self._notifier = notifier
        self._report_ready = report_ready
        self._day = day
        self._serving = False
        self._status = _SERVING
        self._metrics = metrics = Metrics(VERSION)

        bounds = RecentAddresses(reactor.seconds, metrics.bounds)
        self._deny_list = ReloadableDenyList(
            settings.deny_list, bounds, metrics.files.deny_list_reloaded
        )
        scheduler = Scheduler(reactor, bounds)
        self._rendezvous = RendezvousService(
            reactor,
            day,
            scheduler,
            settings,
            metrics.rendezvous,
            bounds,
            self._deny_list.deny,
            self._report_wait,
        )
        links = RelayLinks(settings, metrics)
        self._records = RelayRecords(settings, self._rendezvous.ledger, metrics)
        self._relay = Relay(
            reactor,
            day,
            relay_limits(settings),
            self._records.recorder,
            bounds,
            self._rendezvous.server.known.is_known,
            links.factory,
        )

        metrics.files.configuration_loaded(day())
        self._reloader = Reloader(
            reactor,
            [
                ReloadableSettings(loaded, [self._change, *parts], self._settings_reloaded),
                self._deny_list,
            ],
        )
        self._policy = ConnectionPolicy(
            settings,
            raise_descriptor_limit(),
            metrics.connections,
            bounds,
            self._deny_list,
        )
        self._deny_list.replaced = self._policy.close_denied
        self._memory = ConnectionMemory(
            reactor,
            partial(may_hold, cast(IReactorFDSet, reactor), self._policy),
            memory_limits(settings),
            bounds,
        )
        metrics.connections.watch(self._policy.limiter)
        self._predecessor = Predecessor(
            cast(IReactorUNIX, reactor),
            monotonic,
            notifier,
            settings.take_over,
            _endpoints(settings),
        )
        self._ports = Ports(
            reactor,
            scheduler,
            self._policy,
            TlsWrapper(reactor, day, metrics.files, self._reloader.add),
            self._predecessor.port,
        )
        self._successor = Successor(
            cast(IReactorUNIX, reactor),
            monotonic,
            notifier,
            settings.take_over,
            self._relay,
            self._ports,
        )
        prefix = PathPrefix(settings.path_prefix)
        self._addresses = PublicAddresses(
            settings.public_host,
            settings.public_url,
            settings.public_transit,
            prefix,
            self._ports.bound,
            local_host,
        )
        client = web_client(settings)
        self._has_web_client = client is not None
        self._has_status_page = settings.status_page
        self._pages = PagesService(
            reactor,
            day,
            LivePagesSource(
                reactor=reactor,
                engine=self._rendezvous.engine,
                public_addresses=self._addresses,
                rendezvous=self._rendezvous.server,
                clients=self._rendezvous.clients,
                relay=self._relay,
                metrics=metrics,
                several_instances=self._rendezvous.shared,
                version=VERSION if settings.show_version else None,
            ),
            settings.blur_usage,
            private=settings.path_prefix is not None,
            status=settings.status_page,
            client=client,
        )
        self._transit_websockets = TransitWebSocketFactory(self._relay, reactor)
        self._web = web_site(
            scheduler,
            rendezvous=self._rendezvous.clients,
            relay=self._transit_websockets,
            check=self._rendezvous.server.check_database,
            is_starting=lambda: not self._serving,
            is_stopping=lambda: not self.running,
            root=self._pages.root,
            prefix=prefix,
            prefixed_root=self._pages.prefixed_root,
            request_seconds=settings.open_handshake_timeout,
        )
        figures = metrics_site(
            scheduler,
            metrics.registry,
            count=self._rendezvous.count_rows,
            show=metrics.rendezvous.show_live_counts,
        )
        self._ports.add(ListenerKind.RENDEZVOUS, settings.rendezvous, self._web)
        transit = _TransitPort(scheduler, self._relay, lambda: self._serving, self._deny_list.deny)
        self._ports.add(ListenerKind.TRANSIT, settings.transit, transit)
        self._taken_over = LimitingFactory(scheduler, transit, ListenerKind.TRANSIT, self._policy)
        self._ports.add(ListenerKind.METRICS, settings.metrics, figures)
        self._shutdown = Shutdown(
            reactor,
            _shutdown_times(settings),
            self._relay,
            self._rendezvous.clients.connections,
            self._successor,
            close_relay_port=lambda: self._ports.close(ListenerKind.TRANSIT),
            close_web_port=lambda: self._ports.close(ListenerKind.RENDEZVOUS),
            report=self._report,
        )

        children: Sequence[Service] = (
            LoggedExceptions(globalLogPublisher, metrics.process.internal_error),
            SignalHandler(reactor, "SIGHUP", self._reload),
            SignalHandler(reactor, "SIGURG", self._successor.announce),
            # Its ports and its database are free before others are opened.
            self._predecessor,
            self._successor,
            # These last until everything else has stopped, so that the shutdown can be watched.
            make_watchdog(reactor, notifier),
            ReactorLag(reactor, metrics.process.reactor_lag_seconds.observe),
            BoundLog(reactor, metrics.bounds.counts),
            self._memory,
            self._deny_list,
            # Ports are bound before anything is changed in the database. The shutdown closes those for
            # clients; those for metrics are left until here.
            self._ports,
            links,
            self._rendezvous,
            # Records are written until the last client is gone, and before the database is closed.
            self._records,
            self._pages,
            self._shutdown,
            self._reloader,
        )
        for child in children:
            child.setServiceParent(self)

    def stopService(self) -> Deferred[None]:
        """Accept nothing new, let clients finish, and close the database."""
        if self._serving:
            _log.info("Stopping.")
        self._successor.stop()
        self._notifier.stopping(self._shutdown.times.total_seconds)
        return super().stopService()

    def count_lost_log_lines(self, lines: int) -> None:
        """Count lines of the log that were lost; for any thread."""
        self._metrics.process.log_lost(lines)

    def hurry(self) -> None:
        """Wait for no client any more, where the server is stopping."""
        self._shutdown.hurry()

    async def _start(self) -> None:
        try:
            await super()._start()
            await self._restore_traffic()
            tune_interpreter()
            # Until the reactor runs no connection is accepted, and no signal handled.
            running: Deferred[None] = Deferred()
            self._reactor.callWhenRunning(running.callback, None)
            await running
        except CancelledError as error:
            raise StartStoppedError("stopped before the start was complete") from error
        self._predecessor.resume(self._relay, self._transit_websockets, self._taken_over)
        self._policy.close_denied()
        self._serving = True
        self._ports.accept()
        self._successor.serve()
        self._report_ready(self._where())
        if self._rendezvous.migrated is not None:
            _log.info("Database: {done}.", done=self._rendezvous.migrated)
        self._notifier.ready(self._status)

    def _where(self) -> ReadyReport:
        addresses = self._addresses.for_log()
        page = page_url(addresses)
        return ReadyReport(
            send=send_command(addresses),
            receive=receive_command(addresses),
            page=page if self._has_web_client else None,
            status=f"{page}status" if page is not None and self._has_status_page else None,
            metrics=metrics_urls(self._ports.bound[ListenerKind.METRICS.value]),
        )

    async def _restore_traffic(self) -> None:
        traffic = self._relay.traffic
        if self._relay.limits.month_bytes is None:
            return
        try:
            traffic.restore(await self._records.bytes_since(traffic.month_start()))
        except LedgerUnavailable as error:
            _log.warn(
                "transit-month-limit: the bytes of this month cannot be read, and begin at 0: {error}",
                error=error,
            )

    def _change(self, settings: Settings) -> None:
        # The parts that may refuse a value come first.
        self._deny_list.change(settings)
        self._rendezvous.change(settings)
        self._relay.limits = relay_limits(settings)
        self._shutdown.times = _shutdown_times(settings)
        self._web.allow(settings.open_handshake_timeout)
        self._policy.change(settings)
        self._memory.change(memory_limits(settings))
        self._records.change(settings)
        self._pages.blur_seconds = settings.blur_usage

    def _settings_reloaded(self, outcome: ReloadOutcome) -> None:
        files = self._metrics.files
        files.configuration_reloaded(outcome)
        if outcome is ReloadOutcome.OK:
            files.configuration_loaded(self._day())
        self._status = _SERVING if outcome is ReloadOutcome.OK else _REFUSED
        if self.running:
            self._notifier.status(self._status)

    def _reload(self) -> None:
        # A server that is starting has just read everything, and must not be reported as ready.
        if self.started.called and self.running:
            self._notifier.reloading()
            self._reloader.reload()
            self._notifier.ready(self._status)

    def _report_wait(self, sentence: str, seconds: float) -> None:
        self._ports.accept()  # clients are told so
        _log.info("{sentence}", sentence=sentence)
        self._notifier.waiting(sentence, seconds)

    def _report(self, sentence: str) -> None:
        _log.info("{sentence}", sentence=sentence)
        self._notifier.status(sentence)


def _endpoints(settings: Settings) -> set[Endpoint]:
    """All that the server may listen on."""
    wanted = {*settings.rendezvous, *settings.transit, *settings.metrics}
    return wanted | set(map(on_ipv4, wanted))


def _shutdown_times(settings: Settings) -> ShutdownTimes:
    return ShutdownTimes(
        settings.shutdown_delay, settings.shutdown_timeout, settings.shutdown_spread
    )


class _TransitPort(Factory):
    """
    Makes the protocols of the relay over TCP; closes each connection until the server serves, and those of
    clients on the deny list.
    """

    noisy = False

    def __init__(
        self,
        scheduler: Scheduler,
        relay: Relay,
        is_serving: Callable[[], bool],
        deny: Callable[[IAddress], str | None],
    ) -> None:
        self._scheduler = scheduler
        self._factory = TransitFactory(relay)
        self._is_serving = is_serving
        self._deny = deny

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        """Make the protocol of one peer; None closes the connection."""
        client = addr.address if isinstance(addr, ConnectionAddress) else addr
        if not self._is_serving() or (client is not None and self._deny(client) is not None):
            return None
        return ConnectionInTurn(self._scheduler, self._factory, client)

    def logPrefix(self) -> str:
        """The name of the relay, for the log."""
        return type(self._factory).__name__
