"""Tests of `wormhole_server.web.pages.assets`."""

from __future__ import annotations

import gzip
import hashlib
import json
import tempfile
from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.schedulers import make_scheduler
from tests.wormhole_server.browser import Connection, fetch
from wormhole_server.web.http import PrivateSite
from wormhole_server.web.pages.assets import Assets, hashes, make_asset, read_assets
from wormhole_web.files import file_headers


class AssetTests(SynchronousTestCase):
    def test_read(self) -> None:
        """The listed files are read, and no others."""
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        (folder / "page.js").write_bytes(b"page")
        (folder / "other").write_bytes(b"other")
        (folder / "files.json").write_text(json.dumps({"page.js": "of the build"}))
        self.assertEqual(read_assets(folder), {"page.js": make_asset("page.js", b"page")})

    def test_not_built(self) -> None:
        """Without the list of the build there are no files."""
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.assertEqual(read_assets(Path(folder)), {})


class AssetsTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Make a site of three files."""
        self.assets = {
            name: make_asset(name, name.encode()) for name in ("page.js", "worker.js", "page.css")
        }
        self.site = PrivateSite("Test", make_scheduler(Clock()), Assets(self.assets), 10.0)

    def fetch(self, name: str, headers: str = "") -> tuple[int, str, str]:
        """Fetch a file, with or without a query."""
        return fetch(self.site, f"/{name}", headers=headers)

    def test_content(self) -> None:
        """A file is served as it is, with its type, and nothing is guessed from its content."""
        status, head, body = self.fetch("page.js")
        self.assertEqual((status, body), (200, "page.js"))
        self.assertIn("content-type: text/javascript; charset=utf-8", head)
        self.assertIn("x-content-type-options: nosniff", head)
        self.assertIn("content-type: text/css", self.fetch("page.css")[1])

    def test_caching(self) -> None:
        """A browser keeps a file as long as it asks for that content, and asks again without one."""
        current = self.assets["page.js"].url.partition("?")[2]
        self.assertIn("immutable", self.fetch(f"page.js?{current}")[1])
        for query in ("", "?", "?0123456789abcdef"):
            self.assertIn("cache-control: no-cache", self.fetch(f"page.js{query}")[1])

    def test_unchanged(self) -> None:
        """A browser that has the content is told so."""
        etag = f'"{self.assets["page.js"].sha256}"'
        status, _, body = self.fetch("page.js", f"If-None-Match: {etag}\r\n")
        self.assertEqual((status, body), (304, ""))

    def test_compressed(self) -> None:
        """A browser that takes gzip gets a file that is shorter for it; another gets it as it is."""
        long = "a long text " * 100
        assets = {
            name: make_asset(name, text.encode())
            for name, text in {"page.js": long, "sw.js": "short"}.items()
        }
        site = PrivateSite("Test", make_scheduler(Clock()), Assets(assets), 10.0)

        def ask(name: str, accepted: str) -> tuple[str, bytes]:
            connection = Connection(site)
            connection.get(f"/{name}", headers=f"Accept-Encoding: {accepted}\r\n")
            head, _, body = connection.received().partition(b"\r\n\r\n")
            return head.decode().lower(), body

        for accepted in ("gzip", "br, gzip;q=0.8", "deflate,gzip"):
            head, body = ask("page.js", accepted)
            self.assertIn("content-encoding: gzip", head)
            self.assertEqual(gzip.decompress(body).decode(), long)
        for name, accepted in (("page.js", "br"), ("page.js", "gzip;q=0"), ("sw.js", "gzip")):
            head, body = ask(name, accepted)
            self.assertNotIn("content-encoding", head)
            self.assertIn("vary: accept-encoding", head)
            self.assertEqual(body, assets[name].content)

    def test_listing(self) -> None:
        """The list of the files has the hash of each, and is not kept."""
        status, head, body = self.fetch("files.json")
        self.assertEqual((status, json.loads(body)), (200, hashes(self.assets)))
        self.assertEqual(hashes(self.assets)["page.js"], hashlib.sha256(b"page.js").hexdigest())
        self.assertIn("cache-control: no-store", head)

    def test_policies(self) -> None:
        """Each file has its own headers."""
        for name in self.assets:
            _, head, _ = self.fetch(name)
            for header, value in file_headers(name).items():
                self.assertIn(f"\r\n{header}: {value}\r\n".lower(), head, name)

    def test_nothing_else(self) -> None:
        """There is no page of the folder, and nothing below a file."""
        for path in ("", "page.js/x", "files.json/x"):
            self.assertEqual(self.fetch(path)[0], 404, path)
