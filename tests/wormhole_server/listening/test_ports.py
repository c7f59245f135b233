"""Tests of `wormhole_server.listening.ports`."""

from __future__ import annotations

import errno
import socket
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.protocol import Factory
from twisted.internet.selectreactor import SelectReactor
from twisted.internet.tcp import Port
from twisted.protocols.tls import TLSMemoryBIOFactory

from tests.certificates import Authority
from tests.schedulers import make_scheduler
from tests.wormhole_server.files import new_path
from tests.wormhole_server.listening.connections import RefusalRecorder, make_policy
from tests.wormhole_server.logs import LogCase
from tests.wormhole_server.reactors import FakeReactor
from wormhole_server.config.endpoints import Endpoint
from wormhole_server.config.settings import Settings
from wormhole_server.errors import StartError
from wormhole_server.lifecycle.reload import Reloadable
from wormhole_server.listening.factory import LimitingFactory
from wormhole_server.listening.limiter import ListenerKind
from wormhole_server.listening.ports import BoundEndpoint, Ports
from wormhole_server.listening.tls.reloadable_certificate import CertificateObserver
from wormhole_server.listening.tls.wrapper import TlsWrapper

WEB, METRICS = Endpoint("tcp:4000:interface=127.0.0.1"), Endpoint("tcp:9400:interface=127.0.0.1")

ON_IPV4 = "tcp:4001:interface=0.0.0.0"


class PortsTests(LogCase):
    def setUp(self) -> None:
        """Ports on a reactor in memory."""
        super().setUp()
        self.reactor = FakeReactor()
        reactor: Any = self.reactor
        self.reloadables: list[Reloadable] = []
        tls = TlsWrapper(reactor, reactor.seconds, CertificateObserver(), self.reloadables.append)
        self.ports = Ports(reactor, make_scheduler(reactor), make_policy(RefusalRecorder()), tls)
        self.factory = Factory()

    def test_order(self) -> None:
        """Nothing is bound before the start; then all, in the order of their addition."""
        self.ports.add(ListenerKind.RENDEZVOUS, [WEB, Endpoint("tcp:4002")], self.factory)
        self.ports.add(ListenerKind.METRICS, [METRICS], self.factory)
        self.assertEqual(self.reactor.bound(), [])
        self.successResultOf(self.ports.startService())
        self.assertEqual(self.reactor.bound(), [4000, 4002, 9400])
        self.assertEqual(
            self.ports.bound["metrics"],
            [BoundEndpoint(METRICS, IPv4Address("TCP", "127.0.0.1", 9400))],
        )
        self.assertEqual(len(self.ports.bound["rendezvous"]), 2)

    def test_limited(self) -> None:
        """Connections of clients are limited, and those to the metrics are not."""
        self.ports.add(ListenerKind.RENDEZVOUS, [WEB], self.factory)
        self.ports.add(ListenerKind.METRICS, [METRICS], self.factory)
        self.successResultOf(self.ports.startService())
        web, metrics = self.reactor.factories
        self.assertIsInstance(web, LimitingFactory)
        self.assertIs(metrics, self.factory)

    def test_inherited(self) -> None:
        """A port that another process has opened goes on here, and can go on in a third one."""
        reactor: Any = SelectReactor()
        self.addCleanup(reactor.disconnectAll)

        def start(endpoint: Endpoint, inherited: socket.socket | None = None) -> Ports:
            ports = Ports(
                reactor,
                make_scheduler(reactor),
                make_policy(RefusalRecorder()),
                TlsWrapper(reactor, reactor.seconds, CertificateObserver(), lambda _: None),
                lambda _: inherited,
            )
            ports.add(ListenerKind.RENDEZVOUS, [endpoint], self.factory)
            self.successResultOf(ports.startService())
            return ports

        def stop(ports: Ports) -> None:
            stopped = ports.stopService()
            while not stopped.called:
                reactor.iterate(0.01)

        first = start(Endpoint("tcp:0:interface=127.0.0.1"))
        ((_, opened),) = first.share()
        stop(first)
        number = opened.getsockname()[1]
        ports = start(WEB, opened)
        accepting = lambda: [each for each in reactor.getReaders() if isinstance(each, Port)]  # noqa: E731
        self.assertEqual(accepting(), [])  # not before the server serves
        ports.accept()
        self.assertEqual([port.getHost().port for port in accepting()], [number])
        (bound,) = ports.bound["rendezvous"]
        self.assertEqual(bound, BoundEndpoint(WEB, IPv4Address("TCP", "127.0.0.1", number)))
        ((endpoint, handle),) = ports.share()
        with handle:
            self.assertEqual(endpoint, WEB)
            stop(ports)
            with socket.create_connection(("127.0.0.1", number), 5):
                handle.accept()[0].close()

    def test_held_for_a_time(self) -> None:
        """A start that takes long lets clients in, which are told so; no timer is left."""
        self.ports.add(ListenerKind.RENDEZVOUS, [WEB], self.factory)
        self.successResultOf(self.ports.startService())
        self.reactor.advance(2.0)
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.ports.accept()
        self.successResultOf(self.ports.startService())
        self.ports.stopService()
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_tls(self) -> None:
        """An ssl: endpoint listens on TCP; the limiter comes before TLS."""
        key, chain = Authority().issue().write(new_path(self).parent)
        endpoint = Endpoint(f"ssl:443:privateKey={key}:certKey={chain}")
        self.ports.add(ListenerKind.RENDEZVOUS, [endpoint], self.factory)
        self.successResultOf(self.ports.startService())
        self.assertEqual(self.reactor.bound(), [443])
        limiting = self.reactor.factories[0]
        self.assertIsInstance(limiting, LimitingFactory)
        self.assertIsInstance(limiting._inner, TLSMemoryBIOFactory)
        self.assertEqual(len(self.reloadables), 1)

    def test_in_use(self) -> None:
        """A port in use is an error that says which and what to do; a stop closes the others."""
        self.reactor.in_use = 4001
        self.ports.add(ListenerKind.RENDEZVOUS, [WEB], self.factory)
        self.ports.add(ListenerKind.TRANSIT, [Endpoint("tcp:4001")], self.factory)
        failure = self.failureResultOf(self.ports.startService(), StartError)
        self.assertRegex(
            failure.getErrorMessage(),
            "^transit: cannot listen on tcp:4001: Address already in use; .*--transit",
        )
        self.assertEqual(self.reactor.bound(), [4000])
        self.ports.stopService()
        self.assertEqual(self.reactor.closing(), [4000])

    def test_several_problems(self) -> None:
        """All endpoints that cannot be bound are named at once, whatever the reason."""
        self.reactor.in_use = 4001
        self.reactor.ipv6_error = errno.EAFNOSUPPORT
        self.ports.add(ListenerKind.RENDEZVOUS, [Endpoint("tcp:4001"), WEB], self.factory)
        self.ports.add(ListenerKind.TRANSIT, [Endpoint("unknown:1")], self.factory)
        self.ports.add(ListenerKind.METRICS, [Endpoint(r"tcp:81:interface=\:\:1")], self.factory)
        failure = self.failureResultOf(self.ports.startService(), StartError)
        self.assertRegex(
            failure.getErrorMessage(),
            r"^rendezvous: cannot listen on tcp:4001: .*\. transit: cannot listen on unknown:1: .*"
            r"\. this machine has no IPv6, .* --metrics=tcp:81",
        )

    def test_default_without_ipv6(self) -> None:
        """A default falls back to IPv4 where there is no IPv6, or where it is turned off, and says so."""
        for number in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
            self.reactor.ipv6_error = number
            self.reactor.ports.clear()
            self.ports._services.clear()
            self.ports.add(ListenerKind.TRANSIT, Settings().transit, self.factory)
            self.successResultOf(self.ports.startService())
            (port,) = self.reactor.ports
            self.assertEqual((port.number, port.interface), (4001, "0.0.0.0"))
            self.assertEqual(
                self.logged(),
                [f"warn: transit: this machine has no IPv6; listening on {ON_IPV4}."],
            )
            (bound,) = self.ports.bound["transit"]
            self.assertEqual(bound.endpoint, ON_IPV4)

    def test_without_ipv6(self) -> None:
        """Endpoints that the operator has written are all named in one line."""
        self.reactor.ipv6_error = errno.EAFNOSUPPORT
        for kind, endpoint in (
            (ListenerKind.RENDEZVOUS, r"tcp:80:interface=\:\:"),
            (ListenerKind.TRANSIT, r"tcp:81:interface=\:\:1"),
            (ListenerKind.METRICS, METRICS),
        ):
            self.ports.add(kind, [Endpoint(endpoint)], self.factory)
        failure = self.failureResultOf(self.ports.startService(), StartError)
        self.assertEqual(
            failure.getErrorMessage(),
            "this machine has no IPv6, so that the server cannot listen on "
            r"--rendezvous=tcp:80:interface=\:\: --transit=tcp:81:interface=\:\:1; "
            "give each an interface=0.0.0.0, or another IPv4 address",
        )

    def test_no_such_address(self) -> None:
        """One address that the machine does not have says nothing about IPv6."""
        self.reactor.ipv6_error = errno.EADDRNOTAVAIL
        self.ports.add(
            ListenerKind.TRANSIT, [Endpoint(r"tcp:81:interface=2001\:db8\:\:1")], self.factory
        )
        failure = self.failureResultOf(self.ports.startService(), StartError)
        self.assertIn("this machine has no such address", failure.getErrorMessage())

    def test_unknown_endpoint(self) -> None:
        """An endpoint that no plugin knows is an error that names it."""
        self.ports.add(ListenerKind.TRANSIT, [Endpoint("pigeon:1")], self.factory)
        failure = self.failureResultOf(self.ports.startService(), StartError)
        self.assertIn("transit: cannot listen on pigeon:1: ", failure.getErrorMessage())

    def test_close(self) -> None:
        """The ports of one kind are closed before the others, and waited for."""
        self.ports.add(ListenerKind.RENDEZVOUS, [WEB], self.factory)
        self.ports.add(ListenerKind.METRICS, [METRICS], self.factory)
        self.successResultOf(self.ports.startService())
        closed = self.ports.close(ListenerKind.RENDEZVOUS)
        self.assertEqual(self.reactor.closing(), [4000])
        self.assertNoResult(closed)
        web, metrics = self.reactor.ports
        assert web.closing is not None
        web.closing.callback(None)
        self.successResultOf(closed)
        stopped = self.ports.stopService()
        self.assertEqual(self.reactor.closing(), [4000, 9400])
        self.assertNoResult(stopped)
        assert metrics.closing is not None
        metrics.closing.callback(None)
        self.successResultOf(stopped)
