"""Tests of `wormhole_server.listening.tls.reloadable_certificate`."""

from __future__ import annotations

from typing import cast

from OpenSSL import SSL
from twisted.internet.task import Clock
from twisted.protocols.tls import TLSMemoryBIOProtocol

from tests.certificates import Authority, Pair
from tests.wormhole_server.files import new_path
from tests.wormhole_server.logs import LogCase
from wormhole_server.config.tls_endpoint import Files
from wormhole_server.lifecycle.reload import ReloadOutcome
from wormhole_server.listening.tls.certificate import CertificateError
from wormhole_server.listening.tls.reloadable_certificate import (
    CertificateObserver,
    ReloadableCertificate,
)

DAY = 86400.0
AUTHORITY = Authority()


class CertificateRecorder(CertificateObserver):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.expiries: list[tuple[str, float]] = []
        self.outcomes: list[ReloadOutcome] = []

    def certificate_used(self, endpoint: str, expires: float) -> None:
        self.expiries.append((endpoint, expires))

    def certificate_reloaded(self, outcome: ReloadOutcome) -> None:
        self.outcomes.append(outcome)


class ReloadableCertificateTests(LogCase):
    def setUp(self) -> None:
        """A certificate that is valid for 90 days from now."""
        super().setUp()
        self.directory = new_path(self).parent
        self.old = AUTHORITY.issue()
        self.files = Files(*map(str, self.old.write(self.directory)))
        self.clock = Clock()
        self.clock.advance(self.old.expires - 90 * DAY)
        self.observer = CertificateRecorder()
        self.certificate = self.make()
        self.logged()

    def make(self) -> ReloadableCertificate:
        """The certificate in the files."""
        return ReloadableCertificate(
            "rendezvous-2", self.files, self.clock.seconds, self.observer, ()
        )

    def in_use(self) -> SSL.Context:
        """The context of a new connection."""
        # The protocol makes no difference.
        protocol = cast(TLSMemoryBIOProtocol, None)
        return self.certificate.serverConnectionForTLS(protocol).get_context()

    def replace(self, pair: Pair) -> None:
        """Replace the files."""
        pair.write(self.directory)

    def test_first(self) -> None:
        """The certificate at the start is used, counted and logged."""
        self.make()
        self.assertEqual(self.observer.expiries[-1], ("rendezvous-2", self.old.expires))
        (line,) = self.logged()
        self.assertRegex(line, r"^info: TLS: the certificate of rendezvous-2 is valid until \d{4}-")

    def test_unusable_at_first(self) -> None:
        """At the start a certificate that cannot be used is an error."""
        self.replace(Pair(AUTHORITY.issue().key, self.old.chain))
        self.assertRaises(CertificateError, self.make)

    def test_replaced(self) -> None:
        """New connections get a new certificate; existing ones keep theirs."""
        before = self.in_use()
        new = AUTHORITY.issue(days=91)
        self.replace(new)
        self.assertEqual([self.certificate.has_changed() for _ in range(2)], [False, True])
        self.certificate.reload()
        self.assertFalse(self.certificate.has_changed())
        self.assertIsNot(self.in_use(), before)
        self.assertEqual(self.observer.outcomes, [ReloadOutcome.OK])
        self.assertEqual(self.observer.expiries[-1], ("rendezvous-2", new.expires))

    def test_kept(self) -> None:
        """A certificate that cannot be used leaves the previous one in use, and the log says why."""
        before = self.in_use()
        (self.directory / "privkey.pem").write_bytes(AUTHORITY.issue().key_pem())
        self.certificate.reload()
        self.assertIs(self.in_use(), before)
        self.assertEqual(self.observer.outcomes, [ReloadOutcome.REFUSED])
        self.assertEqual(len(self.observer.expiries), 1)
        (line,) = self.logged()
        self.assertIn("kept the previous certificate of rendezvous-2: the key in", line)

    def test_observer_raises(self) -> None:
        """A new certificate is used whatever the observer of its reload raises: no other reload follows."""
        before = self.in_use()
        self.patch(self.observer, "certificate_reloaded", lambda _: 1 // 0)
        self.replace(AUTHORITY.issue(days=91))
        self.assertRaises(ZeroDivisionError, self.certificate.reload)
        self.assertIsNot(self.in_use(), before)

    def test_second_half(self) -> None:
        """A key and a certificate that are written one after the other are used when both are complete."""
        new = AUTHORITY.issue()
        (self.directory / "privkey.pem").write_bytes(new.key_pem())
        self.certificate.reload()
        (self.directory / "fullchain.pem").write_bytes(new.fullchain_pem)
        self.assertEqual([self.certificate.has_changed() for _ in range(2)], [False, True])
        self.certificate.reload()
        self.assertEqual(self.observer.outcomes, [ReloadOutcome.REFUSED, ReloadOutcome.OK])

    def warnings(self) -> list[str]:
        """The warnings of the next check."""
        self.certificate.has_changed()
        return [line.removeprefix("warn: TLS: the certificate of ") for line in self.logged()]

    def test_soon_expired(self) -> None:
        """From 14 days before the end the log warns once a day, until the certificate is replaced."""
        self.clock.advance(76 * DAY - 1)
        self.assertEqual(self.warnings(), [])
        self.clock.advance(2)
        (line,) = self.warnings()
        self.assertRegex(line, r"^rendezvous-2 expires in 13 days, on \d{4}-.* UTC; renew it\.$")
        self.clock.advance(DAY - 10)
        self.assertEqual(self.warnings(), [])
        self.clock.advance(20)
        self.assertEqual(len(self.warnings()), 1)
        self.replace(AUTHORITY.issue(days=200))
        self.certificate.reload()
        self.logged()
        self.clock.advance(2 * DAY)
        self.assertEqual(self.warnings(), [])

    def test_expired(self) -> None:
        """An expired certificate is served, with a warning."""
        self.clock.advance(90 * DAY)
        (line,) = self.warnings()
        self.assertRegex(line, "^rendezvous-2 expired on .*clients reject it; renew it")

    def test_not_yet_valid(self) -> None:
        """A certificate that is not valid yet is served, with a warning."""
        self.replace(AUTHORITY.issue(days=90, since_days=-2))
        self.certificate.reload()
        self.assertIn("is not valid before", self.logged()[-1])
