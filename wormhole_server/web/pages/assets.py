"""
The files of the browser client: what the package build has put beside this program, served as it stands.

Owns when they are compressed, and what a browser may keep. Knows nothing of what they do.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path

import attrs
from twisted.web import http
from twisted.web.resource import Resource
from twisted.web.server import Request

from wormhole_server.web.http import NotFound, TextPage, header_tokens
from wormhole_server.web.pages.rendering import JSON, set_headers
from wormhole_web.files import (
    BUILT,
    KEPT,
    LISTING,
    REVALIDATED,
    file_headers,
    file_url,
    installed_files,
)


@attrs.frozen
class Asset:
    """
    One file.

    :ivar sha256: of its content, in hex.
    :ivar compressed: the content as gzip; None where that is no shorter.
    """

    name: str
    content: bytes = attrs.field(repr=False)
    sha256: str
    compressed: bytes | None = attrs.field(repr=False, eq=False)

    @property
    def url(self) -> str:
        """Relative to the home page."""
        return file_url(self.name, self.sha256)


def read_assets(folder: Path = BUILT) -> Mapping[str, Asset]:
    """
    Read the files of the browser client, by name.

    :return: empty where this program was built without it.
    """
    return {name: _read(folder, name) for name in installed_files(folder)}


def _read(folder: Path, name: str) -> Asset:
    return make_asset(name, (folder / name).read_bytes())


def make_asset(name: str, content: bytes) -> Asset:
    """Make a file of its content."""
    # Compressed once: doing so for each request would cost more than the rest of the answer.
    compressed = gzip.compress(content, mtime=0)
    shorter = compressed if len(compressed) < len(content) else None
    return Asset(name, content, hashlib.sha256(content).hexdigest(), shorter)


def hashes(assets: Mapping[str, Asset]) -> dict[str, str]:
    """Return the SHA-256 of each file, in hex, by name."""
    return {name: asset.sha256 for name, asset in assets.items()}


class Assets(TextPage):
    """The folder `/client/`: the files, and their list with their hashes."""

    def __init__(self, assets: Mapping[str, Asset]) -> None:
        super().__init__()
        for name, asset in assets.items():
            self.putChild(name.encode(), AssetPage(asset))
        self.putChild(LISTING.encode(), _Listing(assets))

    def render_GET(self, request: Request) -> bytes:
        return NotFound().render(request)


class _Listing(TextPage):
    def __init__(self, assets: Mapping[str, Asset]) -> None:
        super().__init__()
        self._content = json.dumps(hashes(assets)).encode() + b"\n"

    def render_GET(self, request: Request) -> bytes:
        set_headers(request, JSON)
        return self._content


class AssetPage(TextPage):
    """A file."""

    def __init__(self, asset: Asset) -> None:
        super().__init__()
        self._asset = asset

    def getChild(self, path: bytes, request: http.Request) -> Resource:  # noqa: ARG002 - Resource's
        return NotFound()

    def render_GET(self, request: Request) -> bytes:
        asset = self._asset
        for header, value in file_headers(asset.name).items():
            request.setHeader(header.encode(), value.encode())
        current = asset.url.encode().endswith(b"?" + request.uri.partition(b"?")[2])
        request.setHeader(b"cache-control", (KEPT if current else REVALIDATED).encode())
        request.setHeader(b"vary", b"Accept-Encoding")
        compressed = asset.compressed if _accepts_gzip(request) else None
        variant = "" if compressed is None else "-gzip"
        if request.setETag(f'"{asset.sha256}{variant}"'.encode()) is http.CACHED:
            return b""
        if compressed is None:
            return asset.content
        request.setHeader(b"content-encoding", b"gzip")
        return compressed


def _accepts_gzip(request: Request) -> bool:
    codings = header_tokens(request, b"accept-encoding")
    return any(re.fullmatch(rb"gzip(?:\s*;\s*q=(?!0(?:\.0*)?$).*)?", coding) for coding in codings)
