"""Tests of `wormhole_server.listening.tls.certificate`."""

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
from wormhole_server.config.tls_endpoint import Files
from wormhole_server.listening.tls.certificate import (
    Certificate,
    CertificateError,
    read_certificate,
)

AUTHORITY = Authority()


def shake_hands(
    certificate: Certificate, alpn: list[str] | None = None, context: ssl.SSLContext | None = None
) -> ssl.SSLObject:
    """A client that trusts only our authority, after a handshake in memory."""
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
        """A key and a certificate in two files."""
        self.pair = AUTHORITY.issue()
        self.directory = new_path(self).parent
        self.key, self.chain = self.pair.write(self.directory)

    def read(self) -> Certificate:
        """Read the two files."""
        return read_certificate(Files(str(self.key), str(self.chain)), [b"http/1.1"])

    def refused(self) -> str:
        """The error when they cannot be used."""
        with self.assertRaises(CertificateError) as caught:
            self.read()
        line = str(caught.exception)
        self.assertNotIn("\n", line)
        return line

    def test_whole_chain(self) -> None:
        """The whole chain is served: a client that knows only the root trusts it."""
        certificate = self.read()
        self.assertEqual(shake_hands(certificate).version(), "TLSv1.3")
        self.assertEqual(certificate.expires, self.pair.expires)
        self.assertLess(certificate.begins, certificate.expires)

    def test_chain_of_its_own(self) -> None:
        """The chain may be in a file of its own; key and certificate may be in one file."""
        own, between = self.pair.chain
        both, more = self.directory / "both.pem", self.directory / "chain.pem"
        both.write_bytes(own.public_bytes(Encoding.PEM) + self.pair.key_pem())
        more.write_bytes(between.public_bytes(Encoding.PEM))
        certificate = read_certificate(Files(str(both), str(both), str(more)))
        self.assertEqual(shake_hands(certificate).version(), "TLSv1.3")

    def test_protocols(self) -> None:
        """ALPN selects HTTP/1.1, or nothing."""
        certificate = self.read()
        for offered, chosen in ((["h2", "http/1.1"], "http/1.1"), (["h2"], None), (None, None)):
            client = shake_hands(certificate, offered)
            self.assertEqual(client.selected_alpn_protocol(), chosen)

    def test_ciphers(self) -> None:
        """TLS 1.2 has only ciphers with forward secrecy and authenticated encryption."""
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
        """An expired certificate is accepted."""
        self.pair = AUTHORITY.issue(days=-1, since_days=90)
        self.pair.write(self.directory)
        self.assertEqual(self.read().expires, self.pair.expires)

    def test_no_file(self) -> None:
        """A missing file is named."""
        self.chain.unlink()
        self.assertIn(f'"{self.chain}" cannot be read (No such file', self.refused())

    def test_another_key(self) -> None:
        """A key of another certificate is refused."""
        self.key.write_bytes(AUTHORITY.issue().key_pem())
        self.assertIn("does not belong to the certificate", self.refused())

    def test_encrypted_key(self) -> None:
        """An encrypted key is refused."""
        self.key.write_bytes(self.pair.key_pem(b"geheim"))
        self.assertIn("encrypted", self.refused())

    def test_wrong_files(self) -> None:
        """A file with other contents is named, with what it should hold."""
        for text in (b"", b"junk", b"\xff\0", b"-----BEGIN CERTIFICATE-----\nMII\n"):
            self.pair.write(self.directory)
            self.chain.write_bytes(text)
            self.assertIn(f'"{self.chain}" holds no certificate', self.refused())
            self.pair.write(self.directory)
            self.key.write_bytes(text)
            self.assertIn(f'"{self.key}" holds no private key', self.refused())

    def test_exchanged(self) -> None:
        """Where key and certificate are swapped, the error names one of the files."""
        self.key, self.chain = self.chain, self.key
        self.assertIn("holds no certificate", self.refused())

    def test_weak_key(self) -> None:
        """A certificate that OpenSSL rejects is refused with OpenSSL's reason."""
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
