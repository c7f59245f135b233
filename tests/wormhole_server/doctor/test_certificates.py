"""Tests of `wormhole_server.doctor.certificates`."""

from __future__ import annotations

import datetime as dt

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_server.doctor.targets import NOW, levels, make_target
from tests.wormhole_server.files import new_path
from wormhole_server.doctor.certificates import check_certificates, judge_expiry
from wormhole_server.doctor.finding import Level

DAY = 86400.0


def self_signed(ends: float) -> bytes:
    """A key and a certificate for it, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "example.org")])
    last = dt.datetime.fromtimestamp(ends, dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(last - dt.timedelta(days=90))
        .not_valid_after(last)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM)


class ExpiryTests(SynchronousTestCase):
    def test_levels(self) -> None:
        """A certificate that expires within two weeks is a warning; an expired one is a failure."""
        for days, level in ((15, Level.OK), (13, Level.WARNING), (-1, Level.FAILURE)):
            self.assertEqual(judge_expiry("x", NOW + days * DAY, NOW).level, level)


class FileTests(SynchronousTestCase):
    def setUp(self) -> None:
        """A file with a certificate that expires in five days."""
        self.path = new_path(self, "both.pem")
        self.path.write_bytes(self_signed(NOW + 5 * DAY))
        self.endpoint = f"ssl:443:privateKey={self.path}:certKey={self.path}"

    def test_once(self) -> None:
        """A certificate that several endpoints use is checked once."""
        target = make_target(f"--rendezvous={self.endpoint}", f"--transit={self.endpoint}")
        [found] = check_certificates(target)
        self.assertEqual(found.level, Level.WARNING)
        self.assertIn("expires in 5 days", found.text)

    def test_other_key(self) -> None:
        """A key that does not belong to the certificate is a failure."""
        other = new_path(self, "other.pem")
        other.write_bytes(self_signed(NOW + 5 * DAY))
        endpoint = f"ssl:443:privateKey={other}:certKey={self.path}"
        [found] = check_certificates(make_target(f"--rendezvous={endpoint}"))
        self.assertEqual(found.level, Level.FAILURE)
        self.assertIn("does not belong", found.text)

    def test_invalid(self) -> None:
        """A file that is not PEM is a failure."""
        target = make_target(f"--rendezvous={self.endpoint}")
        self.path.write_text("rubbish")
        self.assertEqual(levels(check_certificates(target)), {"certificate": Level.FAILURE})

    def test_no_tls(self) -> None:
        """Without a TLS endpoint there is nothing to check."""
        self.assertEqual(list(check_certificates(make_target())), [])
