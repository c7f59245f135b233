"""Nuisances on the web root: HTTP."""

import itertools
import os

import msgspec

from bench.abuse.nuisance import Action, Nuisance, Steps, in_pieces, once, repeated, upgrade
from bench.common import ROOT

_BUILT = ROOT / "wormhole_server" / "web" / "client" / "files.json"
_PAGES = ["/", "/status", "/healthz", "/readyz", "/client", "/sw.js", "/icon.svg", "/transit"]


def _request(target: str, *headers: str, method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: x", *headers, "", ""]).encode()


_GET = _request("/")
_FILLED = [f"X-{number}: {'x' * 20}" for number in range(400)]


def _all_pages(_number: int) -> Steps:
    files = msgspec.json.decode(_BUILT.read_bytes()) if _BUILT.exists() else []
    targets = [*_PAGES, *(f"/client/{file}" for file in files)]
    return itertools.repeat(b"".join(map(_request, targets)))


def _no_pages(_number: int) -> Steps:
    while True:
        yield b"".join(_request(f"/{os.urandom(8).hex()}") for _ in range(100))


def _bytes(_number: int) -> Steps:
    while True:
        yield from in_pieces(_GET)


def _slowly(_number: int) -> Steps:
    yield from in_pieces(_request("/", *_FILLED), Action.PAUSE)


NUISANCES = {
    "get": Nuisance("GET /, pipelined", repeated(_GET), path=None),
    "get-anew": Nuisance(
        "GET /, a connection each",
        once(_request("/", "Connection: close"), Action.WAIT, Action.STAY),
        path=None,
        churns=True,
    ),
    "get-deaf": Nuisance("GET /, answers not read", repeated(_GET, Action.STOP_READING), path=None),
    "get-bytes": Nuisance("GET /, byte by byte", _bytes, path=None),
    "half-closed": Nuisance(
        "GET /, then a half-closed connection",
        once(_GET * 100, Action.HALF_CLOSE, Action.STAY),
        path=None,
        churns=True,
    ),
    "all-pages": Nuisance("GET of every page and file", _all_pages, path=None),
    "no-pages": Nuisance("GET of pages that do not exist", _no_pages, path=None),
    "status": Nuisance("GET /status", repeated(_request("/status")), path=None),
    "ready": Nuisance("GET /readyz", repeated(_request("/readyz")), path=None),
    "head": Nuisance("HEAD /", repeated(_request("/", method="HEAD")), path=None),
    "headers": Nuisance("400 headers a request", repeated(_request("/", *_FILLED)), path=None),
    "endless-headers": Nuisance(
        "headers without end",
        repeated(b"X: x\r\n", b"GET / HTTP/1.1\r\n"),
        path=None,
        churns=True,
    ),
    "chunks": Nuisance(
        "bodies in chunks of one byte",
        repeated(b"1\r\nx\r\n", _request("/", "Transfer-Encoding: chunked", method="POST")),
        path=None,
    ),
    "bodies": Nuisance(
        "a body without end",
        repeated(b"x", _request("/", f"Content-Length: {10**15}", method="POST")),
        path=None,
    ),
    "slowloris": Nuisance("a request that takes minutes", _slowly, path=None),
    "empty-lines": Nuisance("empty lines", repeated(b"\r\n"), path=None),
    "garbage": Nuisance(
        "PROXY headers and garbage",
        once(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" * 100, Action.WAIT),
        path=None,
        churns=True,
    ),
    "refused-upgrades": Nuisance(
        "opening handshakes of no known version",
        once(upgrade(b"/v1").replace(b"Version: 13", b"Version: 99"), Action.WAIT),
        path=None,
        churns=True,
    ),
    "connections": Nuisance("connect, one byte, close", once(b"G"), path=None, churns=True),
}
