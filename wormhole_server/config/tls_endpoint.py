"""
`ssl:` endpoint strings: parsed into a TCP endpoint and the files of a key and a certificate. Pure.

Takes the arguments that Twisted takes. Twisted's own parser reads the files at once, so that a renewed
certificate needs a restart, and reads only the first certificate of a file with a chain.
"""

from __future__ import annotations

import re

import attrs

from wormhole_server.config.quoting import nearest, quoted

EXAMPLE = (
    "ssl:443:privateKey=/etc/letsencrypt/live/NAME/privkey.pem:"
    "certKey=/etc/letsencrypt/live/NAME/fullchain.pem"
)

_KNOWN = ("port", "privateKey", "certKey", "extraCertChain", "interface", "backlog")
_NO_LONGER = {
    "sslmethod": "the server always offers TLS 1.2 and 1.3; remove it",
    "dhParameters": "the server only uses elliptic curves; remove it",
}


@attrs.frozen
class Files:
    """
    The paths of a certificate and its key, in PEM.

    :ivar certificate: the server's certificate, optionally followed by the intermediate certificates.
    :ivar chain: more intermediate certificates.
    """

    private_key: str
    certificate: str
    chain: str | None = None

    @property
    def paths(self) -> tuple[str, ...]:
        """All paths."""
        paths = (self.private_key, self.certificate)
        return paths if self.chain is None else (*paths, self.chain)


@attrs.frozen
class TlsEndpoint:
    """
    A parsed `ssl:` endpoint string.

    :ivar tcp: the endpoint string of its port.
    """

    tcp: str
    files: Files


def parse_tls_endpoint(raw: str) -> TlsEndpoint:
    """
    Parse an `ssl:` endpoint string. Does not read the files, and does not check the port.

    :param raw: begins with `ssl:`.
    :raises ValueError: an argument is missing, unknown or not supported.
    """
    positional, named = _arguments(raw)
    if len(positional) > 3:
        raise ValueError(f"{quoted(raw)} has a colon too many; write {EXAMPLE}")
    named = {**dict(zip(("port", "privateKey", "certKey"), positional, strict=False)), **named}
    for name in named:
        if name in _NO_LONGER:
            raise ValueError(f"{quoted(raw)}: {name} is not supported: {_NO_LONGER[name]}")
        if name not in _KNOWN:
            guess = nearest(name, _KNOWN)
            hint = f"did you mean {guess}?" if guess else f"write one of {', '.join(_KNOWN)}"
            raise ValueError(f"{quoted(raw)}: an ssl endpoint has no {quoted(name)}; {hint}")
    key = named.get("privateKey", "")
    # One file may contain both.
    certificate = named.get("certKey", key)
    paths = [key, certificate, named.get("extraCertChain", key)]
    if not all(paths) or any("\0" in path for path in paths):
        raise ValueError(f"{quoted(raw)} needs a private key and a certificate; write {EXAMPLE}")
    tcp = ["tcp", _escaped(named.get("port", ""))]
    tcp += [f"{name}={_escaped(named[name])}" for name in ("interface", "backlog") if name in named]
    return TlsEndpoint(":".join(tcp), Files(key, certificate, named.get("extraCertChain")))


def _escaped(text: str) -> str:
    return re.sub(r"[\\:]", r"\\\g<0>", text)


def _arguments(raw: str) -> tuple[list[str], dict[str, str]]:
    """Split into positional and named arguments; a backslash escapes the next character."""
    positional: list[str] = []
    named: dict[str, str] = {}
    name: str | None = None
    text = ""
    letters = iter(raw.partition(":")[2] + ":")
    for letter in letters:
        if letter == "\\":
            text += next(letters)
        elif letter == "=" and name is None:
            name, text = text, ""
        elif letter != ":":
            text += letter
        elif name is None:
            positional.append(text)
            text = ""
        else:
            named[name] = text
            name, text = None, ""
    return positional, named
