"""
A certificate and its key: read, checked against each other, and made into what OpenSSL serves with.

Owns what a certificate has to be, and what TLS is spoken. Reads files when it is told to.
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

from wormhole_server.tls.endpoint import Files
from wormhole_server.words import literal

# Forward secrecy and authenticated encryption; TLS 1.3 has nothing else and a list of its own. All that
# clients of the last ten years speak: the "intermediate" of Mozilla's recommendations, without DHE.
_CIPHERS: Final = b"ECDHE+AESGCM:ECDHE+CHACHA20"
_OPTIONS: Final = SSL.OP_NO_COMPRESSION | SSL.OP_CIPHER_SERVER_PREFERENCE | SSL.OP_NO_RENEGOTIATION
# A key and a chain are some KiB; a device or a log named by mistake is not read to its end.
_MOST_BYTES: Final = 1 << 20


class CertificateError(Exception):
    """
    A certificate cannot be used.

    Its text is one line that says all of it.

    :ivar why: which file, and what is wrong with it.
    :ivar mend: what to do.
    """

    def __init__(self, why: str, mend: str) -> None:
        self.why = why
        self.mend = mend
        super().__init__(f"{why}; {mend}")


@attrs.frozen
class Certificate:
    """
    One that can be served with.

    :ivar context: OpenSSL's, for new connections. Those that there are keep the one they have.
    :ivar begins: when it becomes valid, in seconds since the epoch.
    :ivar expires: when it no longer is.
    """

    context: SSL.Context
    begins: float
    expires: float


def read_certificate(files: Files, protocols: Sequence[bytes] = ()) -> Certificate:
    """
    Read key and certificate.

    Whether it has expired is not asked: a server with an old certificate is better than none.

    :param protocols: for clients that ask by ALPN which protocol is spoken inside.
    :raises CertificateError: it cannot be used.
    """
    key_pem = _read(files.private_key)
    own, *issuers = _certificates(files.certificate)
    if files.chain is not None:
        issuers += _certificates(files.chain)
    try:
        key = load_pem_private_key(key_pem, None)
    except TypeError as error:
        raise CertificateError(
            f"{literal(files.private_key)} holds a key that is encrypted, and nobody is there to "
            "type its password",
            "write one without (openssl pkey -in OLD -out NEW)",
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CertificateError(
            f"{literal(files.private_key)} holds no private key",
            "name the file with the key, as PEM",
        ) from error
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    if key.public_key().public_bytes(*form) != own.public_key().public_bytes(*form):
        raise CertificateError(
            f"the key in {literal(files.private_key)} does not belong to the certificate in "
            f"{literal(files.certificate)}",
            "name two that were issued together",
        )
    context = _context(protocols)
    try:
        context.use_certificate(own)
        for issuer in issuers:
            context.add_extra_chain_cert(issuer)
        context.use_privatekey(key)  # type: ignore[arg-type] # it says itself which kinds it takes
        # It makes a connection, after which nothing else may be set.
        context.set_cipher_list(_CIPHERS)
    except (SSL.Error, TypeError) as error:
        raise CertificateError(
            f"OpenSSL does not take the certificate in {literal(files.certificate)} "
            f"({_reason(error)})",
            "have another one issued",
        ) from error
    return Certificate(
        context, own.not_valid_before_utc.timestamp(), own.not_valid_after_utc.timestamp()
    )


def _context(protocols: Sequence[bytes]) -> SSL.Context:
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(_OPTIONS)
    # An idle connection keeps no buffers.
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    # Connections last for minutes or hours: nothing is gained by taking up an old session.
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    if protocols:

        def choose(_: SSL.Connection, offered: list[bytes]) -> Any:
            common = [each for each in protocols if each in offered]
            return common[0] if common else SSL.NO_OVERLAPPING_PROTOCOLS

        # A callback takes memory that is both written and executed, which systemd may not let us have
        # (MemoryDenyWriteExecute=). Clients that get no answer speak HTTP/1.1 as well.
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
            "name the file with the certificate and those that signed it, as PEM (fullchain.pem)",
        ) from error


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(_MOST_BYTES)
    except OSError as error:
        raise CertificateError(
            f"{literal(path)} cannot be read ({error.strerror})",
            "name a file that the server's user may read",
        ) from error


def _reason(error: Exception) -> str:
    """OpenSSL's own word: "ee key too small"."""
    reasons = error.args[0] if error.args else None
    if isinstance(reasons, list) and reasons:
        return str(reasons[0][-1])
    return str(error)
