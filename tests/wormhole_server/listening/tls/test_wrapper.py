"""Tests of `wormhole_server.listening.tls.wrapper`."""

from __future__ import annotations

from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.trial.unittest import SynchronousTestCase

from tests.certificates import Authority
from tests.wormhole_server.files import new_path
from wormhole_server.config.endpoints import Endpoint
from wormhole_server.errors import StartError
from wormhole_server.lifecycle.reload import Reloadable
from wormhole_server.listening.tls.reloadable_certificate import CertificateObserver
from wormhole_server.listening.tls.wrapper import TlsWrapper


class NameRecorder(CertificateObserver):
    """Keeps the names of the endpoints."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def certificate_used(self, endpoint: str, expires: float) -> None:
        self.names.append(endpoint)


class TlsWrapperTests(SynchronousTestCase):
    def setUp(self) -> None:
        """A certificate, and an endpoint with it."""
        self.key, chain = Authority().issue().write(new_path(self).parent)
        self.endpoint = Endpoint(
            rf"ssl:443:interface=\:\::privateKey={self.key}:certKey={chain}:backlog=9"
        )
        self.observer = NameRecorder()
        self.reloadables: list[Reloadable] = []
        self.wrapper = TlsWrapper(Clock(), lambda: 0.0, self.observer, self.reloadables.append)

    def test_wrapped(self) -> None:
        """An ssl: endpoint becomes a tcp: one, its factory serves TLS, and its certificate is reloaded."""
        factory = Factory()
        tcp, outer = self.wrapper.wrap("rendezvous", self.endpoint, factory)
        self.assertEqual(tcp, r"tcp:443:interface=\:\::backlog=9")
        assert isinstance(outer, TLSMemoryBIOFactory)
        self.assertIs(outer.wrappedFactory, factory)
        self.assertEqual(len(self.reloadables), 1)

    def test_others(self) -> None:
        """Other endpoints are not changed."""
        factory, endpoint = Factory(), Endpoint("tcp:443")
        self.assertEqual(self.wrapper.wrap("transit", endpoint, factory), (endpoint, factory))
        self.assertEqual(self.reloadables, [])

    def test_names(self) -> None:
        """Certificates are named after their option, the second one with a number."""
        for option in ("rendezvous", "transit", "rendezvous"):
            self.wrapper.wrap(option, self.endpoint, Factory())
        self.assertEqual(self.observer.names, ["rendezvous", "transit", "rendezvous-2"])

    def test_no_certificate(self) -> None:
        """A certificate that cannot be used is an error that names the option and the file."""
        self.key.unlink()
        with self.assertRaisesRegex(StartError, f"^rendezvous: .*{self.key}.* cannot be read"):
            self.wrapper.wrap("rendezvous", self.endpoint, Factory())
        self.assertEqual(self.reloadables, [])
