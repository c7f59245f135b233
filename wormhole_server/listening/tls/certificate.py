"""
A certificate and its key: read from files, checked against each other, and loaded into OpenSSL.

Owns the requirements on certificates, and the TLS versions and ciphers. When files are read is up to the
caller.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any, Final

import attrs
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from OpenSSL import SSL

from wormhole_server.config.quoting import literal
from wormhole_server.config.tls_endpoint import Files

# Forward secrecy and authenticated encryption; TLS 1.3 has nothing else, and its own list. Every client of
# the last ten years has these: Mozilla's "intermediate" recommendation, without DHE.
_CIPHERS: Final = b"ECDHE+AESGCM:ECDHE+CHACHA20"
_OPTIONS: Final = SSL.OP_NO_COMPRESSION | SSL.OP_CIPHER_SERVER_PREFERENCE | SSL.OP_NO_RENEGOTIATION
# A key and a chain are some KiB; a device or a log that was named by mistake is not read to its end.
_MAX_BYTES: Final = 1 << 20


class CertificateError(Exception):
    """
    A certificate cannot be used.

    Its text is one line with both parts.

    :ivar why: which file, and what is wrong with it.
    :ivar remedy: what to do.
    """

    def __init__(self, why: str, remedy: str) -> None:
        self.why = why
        self.remedy = remedy
        super().__init__(f"{why}; {remedy}")


@attrs.frozen
class Certificate:
    """
    A certificate that can be served.

    :ivar context: OpenSSL's, for new connections; existing connections keep theirs.
    :ivar begins: when it becomes valid, in seconds since the epoch.
    :ivar expires: when it expires, in seconds since the epoch.
    """

    context: SSL.Context
    begins: float
    expires: float


def read_certificate(files: Files, protocols: Sequence[bytes] = ()) -> Certificate:
    """
    Read a key and its certificate.

    An expired certificate is accepted: a server with an expired certificate is better than none.

    :param protocols: offered to clients that negotiate by ALPN.
    :raises CertificateError: they cannot be used.
    """
    key_pem = _read(files.private_key)
    own, *issuers = _certificates(files.certificate)
    if files.chain is not None:
        issuers += _certificates(files.chain)
    try:
        key = load_pem_private_key(key_pem, None)
    except TypeError as error:
        raise CertificateError(
            f"{literal(files.private_key)} holds an encrypted key, and the server has no "
            "password for it",
            "write the key without a password (openssl pkey -in OLD -out NEW)",
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CertificateError(
            f"{literal(files.private_key)} holds no private key",
            "name the file with the key, in PEM format",
        ) from error
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    if key.public_key().public_bytes(*form) != own.public_key().public_bytes(*form):
        raise CertificateError(
            f"the key in {literal(files.private_key)} does not belong to the certificate in "
            f"{literal(files.certificate)}",
            "name the key and the certificate that were issued together",
        )
    context = _context(protocols)
    try:
        context.use_certificate(own)
        for issuer in issuers:
            context.add_extra_chain_cert(issuer)
        context.use_privatekey(key)  # type: ignore[arg-type] # it checks the kind itself
        # Last: this makes a connection, after which nothing else may be set.
        context.set_cipher_list(_CIPHERS)
    except (SSL.Error, TypeError) as error:
        raise CertificateError(
            f"OpenSSL rejects the certificate in {literal(files.certificate)} ({_reason(error)})",
            "have a new certificate issued",
        ) from error
    return Certificate(
        context, own.not_valid_before_utc.timestamp(), own.not_valid_after_utc.timestamp()
    )


def _context(protocols: Sequence[bytes]) -> SSL.Context:
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(_OPTIONS)
    # Idle connections keep no buffers.
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    # Connections last for minutes or hours: resuming sessions gains nothing.
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    if protocols:

        def choose(_: SSL.Connection, offered: list[bytes]) -> Any:
            common = [each for each in protocols if each in offered]
            return common[0] if common else SSL.NO_OVERLAPPING_PROTOCOLS

        # A callback needs memory that is writable and executable, which systemd may forbid
        # (MemoryDenyWriteExecute=). Clients without an answer use HTTP/1.1 as well.
        with contextlib.suppress(MemoryError):
            context.set_alpn_select_callback(choose)
    return context


def _certificates(path: str) -> list[x509.Certificate]:
    pem = _read(path)
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise CertificateError(
            f"{literal(path)} holds no certificate",
            "name the file with the certificate and its chain, in PEM format (fullchain.pem)",
        ) from error


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(_MAX_BYTES)
    except OSError as error:
        raise CertificateError(
            f"{literal(path)} cannot be read ({error.strerror})",
            "name a file that the server's user can read",
        ) from error


def _reason(error: Exception) -> str:
    """OpenSSL's own reason, such as "ee key too small"."""
    reasons = error.args[0] if error.args else None
    if isinstance(reasons, list) and reasons:
        return str(reasons[0][-1])
    return str(error)
