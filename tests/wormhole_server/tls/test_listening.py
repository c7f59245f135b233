"""Tests of `wormhole_server.tls.listening`."""

from __future__ import annotations

from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.trial.unittest import SynchronousTestCase

from tests.certificates import Authority
from tests.wormhole_server.files import new_path
from wormhole_server.endpoints import Endpoint
from wormhole_server.errors import StartError
from wormhole_server.reload import Outcome, Reloadable
from wormhole_server.tls.listening import Tls


class Names:
    """Which endpoints there are."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def certificate(self, endpoint: str, expires: float) -> None:
        self.names.append(endpoint)

    def certificate_read_again(self, outcome: Outcome) -> None:
        raise AssertionError("nobody has asked for that")


class TlsTests(SynchronousTestCase):
    def setUp(self) -> None:
        """A certificate, and an endpoint with it."""
        self.key, chain = Authority().issue().write(new_path(self).parent)
        self.endpoint = Endpoint(
            rf"ssl:443:interface=\:\::privateKey={self.key}:certKey={chain}:backlog=9"
        )
        self.observer = Names()
        self.kept: list[Reloadable] = []
        self.tls = Tls(Clock(), Clock(), self.observer, self.kept.append)

    def test_behind(self) -> None:
        """The port beneath is one for TCP; the factory is behind TLS, and its certificate kept."""
        factory = Factory()
        beneath, outer = self.tls.behind("rendezvous", self.endpoint, factory)
        self.assertEqual(beneath, r"tcp:443:interface=\:\::backlog=9")
        assert isinstance(outer, TLSMemoryBIOFactory)
        self.assertIs(outer.wrappedFactory, factory)
        self.assertEqual(len(self.kept), 1)

    def test_others(self) -> None:
        """Whatever is no ssl: endpoint stays as it is."""
        factory, endpoint = Factory(), Endpoint("tcp:443")
        self.assertEqual(self.tls.behind("transit", endpoint, factory), (endpoint, factory))
        self.assertEqual(self.kept, [])

    def test_names(self) -> None:
        """Each is called after its option, the second with a number."""
        for option in ("rendezvous", "transit", "rendezvous"):
            self.tls.behind(option, self.endpoint, Factory())
        self.assertEqual(self.observer.names, ["rendezvous", "transit", "rendezvous-2"])

    def test_no_certificate(self) -> None:
        """The server does not start, and says which option and which file."""
        self.key.unlink()
        with self.assertRaisesRegex(StartError, f"^rendezvous: .*{self.key}.* cannot be read"):
            self.tls.behind("rendezvous", self.endpoint, Factory())
        self.assertEqual(self.kept, [])
