"""
`ssl:` endpoint strings, as Twisted writes them: a port, a key and a certificate. Pure.

Owns which arguments there are. Twisted's own parser reads the files while it parses, once and for all, and
of a file with a chain only the first certificate.
"""

from __future__ import annotations

import attrs
from twisted.internet.endpoints import quoteStringArgument

from wormhole_server.words import nearest, quoted

EXAMPLE = (
    "ssl:443:privateKey=/etc/letsencrypt/live/NAME/privkey.pem:"
    "certKey=/etc/letsencrypt/live/NAME/fullchain.pem"
)

_KNOWN = ("port", "privateKey", "certKey", "extraCertChain", "interface", "backlog")
_NO_LONGER = {
    "sslmethod": "TLS 1.2 and 1.3 are spoken, whatever it says; remove it",
    "dhParameters": "keys are agreed upon over elliptic curves; remove it",
}


@attrs.frozen
class Files:
    """
    Where a certificate and its key are, as PEM.

    :ivar certificate: the server's own certificate first; those that signed it may follow.
    :ivar chain: a file with more of those.
    """

    private_key: str
    certificate: str
    chain: str | None = None

    @property
    def paths(self) -> tuple[str, ...]:
        """All of them."""
        paths = (self.private_key, self.certificate)
        return paths if self.chain is None else (*paths, self.chain)


@attrs.frozen
class TlsEndpoint:
    """
    What an `ssl:` endpoint string says.

    :ivar tcp: the endpoint string of the port beneath.
    """

    tcp: str
    files: Files


def parse_tls_endpoint(raw: str) -> TlsEndpoint:
    """
    Read `raw`, which begins with `ssl:`, and none of the files.

    The port beneath is not looked at; that is for whoever knows `tcp:` endpoints.

    :raises ValueError: an argument is missing, unknown or of no use here.
    """
    positional, named = _arguments(raw)
    if len(positional) > 3:
        raise ValueError(f"{quoted(raw)} has a colon too many; write {EXAMPLE}")
    named = {**dict(zip(("port", "privateKey", "certKey"), positional, strict=False)), **named}
    for name in named:
        if name in _NO_LONGER:
            raise ValueError(f"{quoted(raw)}: {name} is of no use: {_NO_LONGER[name]}")
        if name not in _KNOWN:
            guess = nearest(name, _KNOWN)
            hint = f"did you mean {guess}?" if guess else f"it has {', '.join(_KNOWN)}"
            raise ValueError(f"{quoted(raw)}: an ssl endpoint has no {quoted(name)}; {hint}")
    key = named.get("privateKey", "")
    # One file may hold both.
    certificate = named.get("certKey", key)
    paths = [key, certificate, named.get("extraCertChain", key)]
    if not all(paths) or any("\0" in path for path in paths):
        raise ValueError(f"{quoted(raw)} needs a private key and a certificate; write {EXAMPLE}")
    tcp = ["tcp", quoteStringArgument(named.get("port", ""))]
    tcp += [
        f"{name}={quoteStringArgument(named[name])}"
        for name in ("interface", "backlog")
        if name in named
    ]
    return TlsEndpoint(":".join(tcp), Files(key, certificate, named.get("extraCertChain")))


def _arguments(raw: str) -> tuple[list[str], dict[str, str]]:
    """Those by position and those by name; what a backslash stands before is a letter like any other."""
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
