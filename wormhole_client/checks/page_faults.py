"""
The faults of a web page as it arrives: what something between a server and a browser has done to it.

Owns the comparison of a response with what the server sends, and the advice on each fault. No I/O.
"""

import enum
import hashlib
import zlib
from collections.abc import Mapping
from typing import Final

from wormhole_client.network.http import LARGEST_RESPONSE, HttpResponse

# A proxy adds these, and they break what the page promises: no cookies, no request to another origin.
UNWANTED: Final = ("set-cookie", "nel", "report-to", "content-security-policy-report-only")
_GZIP: Final = 31  # for zlib: with the header and the trailer of gzip
_GZIP_BEGINS: Final = b"\x1f\x8b"


@enum.unique
class PageFault(enum.Enum):
    """What is wrong with a page. The values are the advice."""

    MISSING = (
        "let the proxy pass everything on to the server, or at least /, /client/, /sw.js, "
        "/manifest.webmanifest, /commands, /status and /status.json beside /v1 and /transit"
    )
    HEADERS = (
        "the proxy removes or replaces headers, which protect the page: let it pass them on "
        "unchanged (nginx: remove add_header, proxy_hide_header and expires; Caddy: header; a CDN: its "
        "rules for caching and for security headers)"
    )
    ADDED = (
        "the proxy adds headers that the page has to do without: turn off what sets cookies and "
        "what has browsers report to others (Cloudflare: Network Error Logging, bot protection)"
    )
    COMPRESSION = (
        "the proxy changes Content-Encoding or the compressed bytes: let it pass both on unchanged "
        "(nginx: remove gunzip and sub_filter)"
    )
    CHANGED = (
        "something between rewrites the page: turn off what a proxy or CDN does to scripts, styles, "
        "pictures and addresses (nginx: sub_filter; Apache: mod_pagespeed; Cloudflare: Rocket Loader, "
        "Email Obfuscation, Web Analytics); if nothing does, look for who has changed the server's files"
    )
    CACHED = (
        "a cache between answers with an old version: purge it, and let it obey Cache-Control and look at "
        "the whole URL with its query (nginx: proxy_ignore_headers, proxy_cache_key; a CDN: cache everything)"
    )
    INSTANCES = (
        "the answers are of different versions: run the same version on all instances behind the "
        "address, restart servers that were upgraded while they ran, and purge caches between"
    )
    OTHER_FILES = (
        "a release has the same files everywhere: install it again, on the server and here, and find out "
        "who has changed its files"
    )


class PageError(Exception):
    """A page does not arrive as the server sends it."""

    def __init__(self, fault: PageFault, text: str) -> None:
        super().__init__(text)
        self.fault = fault


def check_headers(path: str, answer: HttpResponse, expected: Mapping[str, str | None]) -> None:
    """
    Compare the headers of a response with those that the server sends.

    :param expected: names in lower case; None stands for any value.
    :raises PageError: MISSING, HEADERS or ADDED.
    """
    if answer.status != 200:
        raise PageError(PageFault.MISSING, f"{path}: status {answer.status}")
    wrong = [
        f"{_title(name)} is missing"
        if name not in answer.headers
        else f"{_title(name)} is {answer.headers[name]!a}"
        for name, value in expected.items()
        if name not in answer.headers
        or (value is not None and _plain(answer.headers[name]) != _plain(value))
    ]
    if wrong:
        raise PageError(PageFault.HEADERS, f"{path}: {', '.join(wrong)}")
    added = [_title(name) for name in UNWANTED if name in answer.headers]
    if added:
        raise PageError(PageFault.ADDED, f"{path} has {', '.join(added)}")


def content(path: str, answer: HttpResponse) -> bytes:
    """
    Return the body of a response to a client that takes gzip, decompressed.

    :raises PageError: COMPRESSION.
    """
    coding, body = answer.headers.get("content-encoding", "identity").lower(), answer.body
    if coding == "gzip":
        try:
            return zlib.decompressobj(_GZIP).decompress(body, LARGEST_RESPONSE)
        except zlib.error:
            raise PageError(
                PageFault.COMPRESSION, f"{path} is said to be gzip, and is not"
            ) from None
    if coding != "identity":
        raise PageError(PageFault.COMPRESSION, f"{path} has the Content-Encoding {coding!a}")
    if body.startswith(_GZIP_BEGINS):
        raise PageError(PageFault.COMPRESSION, f"{path} is gzip, and not said to be")
    return body


def has_content(path: str, answer: HttpResponse, sha256: str) -> bool:
    """
    Return whether the body of a response is the file with this SHA-256, in hex.

    :raises PageError: COMPRESSION.
    """
    return hashlib.sha256(content(path, answer)).hexdigest() == sha256


def _plain(value: str) -> str:
    """Leave out what means nothing in these headers: blanks and the case."""
    return "".join(value.lower().split())


def _title(name: str) -> str:
    return "NEL" if name == "nel" else name.title()
