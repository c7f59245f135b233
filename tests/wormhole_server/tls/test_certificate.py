"""Tests of `wormhole_server.tls.certificate`."""

from __future__ import annotations

import contextlib
import datetime as dt
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from tests.certificates import Authority
from tests.wormhole_server.files import new_path
from wormhole_server.tls.certificate import Certificate, CertificateError, read_certificate
from wormhole_server.tls.endpoint import Files

AUTHORITY = Authority()


def shake_hands(
    certificate: Certificate, alpn: list[str] | None = None, context: ssl.SSLContext | None = None
) -> ssl.SSLObject:
    """A client that trusts our authority alone, after the handshake, in memory."""
    context = AUTHORITY.client_context() if context is None else context
    if alpn is not None:
        context.set_alpn_protocols(alpn)
    to_client, from_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(to_client, from_client, server_hostname="localhost")
    server = SSL.Connection(certificate.context)
    server.set_accept_state()
    for _ in range(10):
        for end in (client, server):
            with contextlib.suppress(ssl.SSLWantReadError, SSL.WantReadError):
                end.do_handshake()
        if sent := from_client.read():
            server.bio_write(sent)
        with contextlib.suppress(SSL.WantReadError):
            to_client.write(server.bio_read(1 << 16))
    return client


class ReadTests(SynchronousTestCase):
    def setUp(self) -> None:
        """A pair in two files."""
        self.pair = AUTHORITY.issue()
        self.directory = new_path(self).parent
        self.key, self.chain = self.pair.write(self.directory)

    def read(self) -> Certificate:
        """What the two files hold."""
        return read_certificate(Files(str(self.key), str(self.chain)), [b"http/1.1"])

    def refused(self) -> str:
        """Why it is not taken."""
        with self.assertRaises(CertificateError) as caught:
            self.read()
        line = str(caught.exception)
        self.assertNotIn("\n", line)
        return line

    def test_whole_chain(self) -> None:
        """The chain is served: a client that knows the root alone trusts it."""
        certificate = self.read()
        self.assertEqual(shake_hands(certificate).version(), "TLSv1.3")
        self.assertEqual(certificate.expires, self.pair.expires)
        self.assertLess(certificate.begins, certificate.expires)

    def test_chain_of_its_own(self) -> None:
        """The chain may stand in a file of its own; key and certificate may stand in one."""
        own, between = self.pair.chain
        both, more = self.directory / "both.pem", self.directory / "chain.pem"
        both.write_bytes(own.public_bytes(Encoding.PEM) + self.pair.key_pem())
        more.write_bytes(between.public_bytes(Encoding.PEM))
        certificate = read_certificate(Files(str(both), str(both), str(more)))
        self.assertEqual(shake_hands(certificate).version(), "TLSv1.3")

    def test_protocols(self) -> None:
        """By ALPN a client gets what is spoken here, or no answer at all."""
        certificate = self.read()
        for offered, chosen in ((["h2", "http/1.1"], "http/1.1"), (["h2"], None), (None, None)):
            client = shake_hands(certificate, offered)
            self.assertEqual(client.selected_alpn_protocol(), chosen)

    def test_ciphers(self) -> None:
        """Before TLS 1.3 it takes forward secrecy and authenticated encryption."""
        context = AUTHORITY.client_context()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        cipher = shake_hands(self.read(), context=context).cipher()
        assert cipher is not None
        self.assertRegex(cipher[0], "^ECDHE-.*(GCM|POLY1305)")
        for bad in ("AES256-SHA", "ECDHE-ECDSA-AES128-SHA"):
            context.set_ciphers(f"{bad}:@SECLEVEL=0")
            with self.assertRaises((ssl.SSLError, SSL.Error)):
                shake_hands(self.read(), context=context)

    def test_expired(self) -> None:
        """That it has expired is no reason not to take it."""
        self.pair = AUTHORITY.issue(days=-1, since_days=90)
        self.pair.write(self.directory)
        self.assertEqual(self.read().expires, self.pair.expires)

    def test_no_file(self) -> None:
        """The file that is not there is named."""
        self.chain.unlink()
        self.assertIn(f'"{self.chain}" cannot be read (No such file', self.refused())

    def test_another_key(self) -> None:
        """A key that is another's does not do."""
        self.key.write_bytes(AUTHORITY.issue().key_pem())
        self.assertIn("does not belong to the certificate", self.refused())

    def test_encrypted_key(self) -> None:
        """Nobody can type a password."""
        self.key.write_bytes(self.pair.key_pem(b"geheim"))
        self.assertIn("encrypted", self.refused())

    def test_wrong_files(self) -> None:
        """A file with something else in it is named, with what it should hold."""
        for text in (b"", b"junk", b"\xff\0", b"-----BEGIN CERTIFICATE-----\nMII\n"):
            self.pair.write(self.directory)
            self.chain.write_bytes(text)
            self.assertIn(f'"{self.chain}" holds no certificate', self.refused())
            self.pair.write(self.directory)
            self.key.write_bytes(text)
            self.assertIn(f'"{self.key}" holds no private key', self.refused())

    def test_exchanged(self) -> None:
        """Key and certificate exchanged: the first that is looked at is named."""
        self.key, self.chain = self.chain, self.key
        self.assertIn("holds no certificate", self.refused())

    def test_weak_key(self) -> None:
        """What OpenSSL would not serve with is refused in OpenSSL's words."""
        key = rsa.generate_private_key(65537, 1024)
        name = x509.Name([])
        now = dt.datetime.now(dt.UTC)
        own = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(now)
            .not_valid_after(now + dt.timedelta(days=1))
            .sign(key, hashes.SHA256())
        )
        self.chain.write_bytes(own.public_bytes(Encoding.PEM))
        self.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        self.assertIn("ee key too small", self.refused())
