"""
Certificates for tests: an authority of our own, and what it signs.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_DAY = dt.timedelta(days=1)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Pair:
    """
    A certificate, those that signed it but for the root, and its key.

    :ivar expires: in seconds since the epoch.
    """

    def __init__(self, key: ec.EllipticCurvePrivateKey, chain: list[x509.Certificate]) -> None:
        self.key = key
        self.chain = chain
        self.expires = chain[0].not_valid_after_utc.timestamp()

    @property
    def serial(self) -> int:
        """What tells it from all others."""
        return self.chain[0].serial_number

    @property
    def fullchain_pem(self) -> bytes:
        return b"".join(each.public_bytes(Encoding.PEM) for each in self.chain)

    def key_pem(self, password: bytes | None = None) -> bytes:
        how: KeySerializationEncryption = NoEncryption()
        if password is not None:
            how = BestAvailableEncryption(password)
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how)

    def write(self, directory: Path) -> tuple[Path, Path]:
        """Write `privkey.pem` and `fullchain.pem`; where they are."""
        key, chain = directory / "privkey.pem", directory / "fullchain.pem"
        key.write_bytes(self.key_pem())
        chain.write_bytes(self.fullchain_pem)
        return key, chain


class Authority:
    """
    A root, and an authority below it that signs, as the real ones have it.

    :param now: what it takes for the time.
    """

    def __init__(self, now: dt.datetime | None = None) -> None:
        self._now = dt.datetime.now(dt.UTC) if now is None else now
        root_key = ec.generate_private_key(ec.SECP256R1())
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.root = self._sign("Root", root_key, "Root", root_key, authority=True)
        self._between = self._sign("Between", self._key, "Root", root_key, authority=True)

    def trust(self, path: Path) -> Path:
        """Write the root to `path`, for clients."""
        path.write_bytes(self.root.public_bytes(Encoding.PEM))
        return path

    def client_context(self) -> ssl.SSLContext:
        """For a client that trusts the root alone."""
        return ssl.create_default_context(cadata=self.root.public_bytes(Encoding.PEM).decode())

    def issue(self, days: float = 90, since_days: float = 1) -> Pair:
        """For localhost: it expires in `days`, and began `since_days` ago."""
        key = ec.generate_private_key(ec.SECP256R1())
        own = self._sign(
            "localhost", key, "Between", self._key, begins=-since_days * _DAY, ends=days * _DAY
        )
        return Pair(key, [own, self._between])

    def _sign(
        self,
        name: str,
        key: ec.EllipticCurvePrivateKey,
        issuer: str,
        issuer_key: ec.EllipticCurvePrivateKey,
        *,
        authority: bool = False,
        begins: dt.timedelta = -1000 * _DAY,
        ends: dt.timedelta = 1000 * _DAY,
    ) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(name))
            .issuer_name(_name(issuer))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now + begins)
            .not_valid_after(self._now + ends)
            .add_extension(x509.BasicConstraints(authority, None), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
                critical=False,
            )
        )
        if authority:
            usage = x509.KeyUsage(
                digital_signature=True,
                key_cert_sign=True,
                crl_sign=True,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                encipher_only=False,
                decipher_only=False,
            )
            builder = builder.add_extension(usage, critical=True)
        else:
            addresses = [ipaddress.ip_address(each) for each in ("127.0.0.1", "::1")]
            names = [x509.DNSName("localhost"), *(x509.IPAddress(each) for each in addresses)]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
            builder = builder.add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False
            )
        return builder.sign(issuer_key, hashes.SHA256())
