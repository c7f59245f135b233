"""Tests of the page probe, over a network in memory with a proxy in it."""

import gzip
import hashlib
import html
import json
from collections.abc import Callable, Mapping
from typing import Any

import attrs
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from wormhole_client.checks.connection_probes import ProbeTarget
from wormhole_client.checks.page_faults import PageError, PageFault
from wormhole_client.checks.page_probe import InstalledClient, read_page
from wormhole_web.files import (
    COMMON_HEADERS,
    KEPT,
    PAGE_HEADERS,
    REVALIDATED,
    file_headers,
    file_url,
    fingerprint,
)

FILES = {"page.js": b"run " * 99, "page.css": b"css", "worker.js": b"work", "sw.js": b"serve"}
JSON = {**COMMON_HEADERS, "content-type": "application/json; charset=utf-8"}
MANIFEST = {**COMMON_HEADERS, "content-type": "application/manifest+json; charset=utf-8"}


@attrs.define
class Answer:
    """What a server answers, and a proxy may change."""

    status: int
    headers: dict[str, str]
    body: bytes

    def pack(self) -> None:
        """Compress it."""
        self.body, self.headers["content-encoding"] = gzip.compress(self.body), "gzip"


Proxy = Callable[[str, Answer], None]


def hashes(files: Mapping[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


@attrs.define
class Server:
    """
    A web root in memory.

    :ivar files: of the web client; none: it is switched off.
    :ivar status: whether there is a status page.
    """

    files: dict[str, bytes] = attrs.field(factory=lambda: dict(FILES))
    version: str | None = "1.0"
    status: bool = True
    commands: bytes = b"<title>Magic Wormhole server</title>"

    def page(self) -> bytes:
        """Make the page of the web client."""
        urls = {name: file_url(name, sha256) for name, sha256 in hashes(self.files).items()}
        facts = json.dumps({"assets": {"worker": urls["worker.js"], "serviceWorker": "sw.js"}})
        return (
            f'<link rel="manifest" href="manifest.webmanifest"><link href="{urls["page.css"]}">'
            f'<script src="{urls["page.js"]}"></script>'
            f'<div id="screen" data-server="{html.escape(facts)}"></div>'
        ).encode()

    def answer(self, path: str, query: str) -> Answer:
        """Answer a request for a path without its slash."""
        known = hashes(self.files)
        name = path.removeprefix("client/")
        if path == "":
            return Answer(200, dict(PAGE_HEADERS), self.page() if known else self.commands)
        if path == "status.json" and self.status:
            status = {"version": self.version, "web_client": fingerprint(known) if known else None}
            return Answer(200, dict(JSON), json.dumps(status).encode())
        if path == "client/files.json" and known:
            return Answer(200, dict(JSON), json.dumps(known).encode())
        if path == "manifest.webmanifest" and known:
            icons = [{"src": file_url("page.css", known["page.css"])}]
            return Answer(200, dict(MANIFEST), json.dumps({"icons": icons}).encode())
        if name in self.files and (path != name or path == "sw.js"):
            kept = known[name].startswith(query) and query
            headers = {**file_headers(name), "cache-control": KEPT if kept else REVALIDATED}
            answer = Answer(200, headers, self.files[name])
            if len(answer.body) > 100:
                answer.pack()
            return answer
        return Answer(404, {}, b"")


@attrs.define
class Site:
    """A network with one host, a server behind a proxy."""

    server: Server
    proxy: Proxy
    direct: bool = True
    asked: list[str] = attrs.field(factory=list)

    def endpoint(self, host: str, port: int) -> Any:
        site = self

        class Endpoint:
            def connect(self, factory: Any) -> Deferred[Any]:
                protocol = factory.buildProtocol(None)
                transport: Any = StringTransport()
                transport.abortConnection = lambda: None
                protocol.makeConnection(transport)
                protocol.dataReceived(site.respond(transport.value()))
                protocol.connectionLost(Failure(ConnectionDone()))
                return succeed(protocol)

        return Endpoint()

    def respond(self, request: bytes) -> bytes:
        url = request.split(b" ")[1].decode()
        self.asked.append(url)
        path, _, query = url.removeprefix("/secret/").partition("?")
        answer = self.server.answer(path, query)
        self.proxy(url.removeprefix("/secret"), answer)
        lines = [f"{name}: {value}" for name, value in answer.headers.items()]
        head = [
            f"HTTP/1.1 {answer.status} X",
            *lines,
            f"Content-Length: {len(answer.body)}",
            "",
            "",
        ]
        return "\r\n".join(head).encode() + answer.body


def same(path: str, answer: Answer) -> None:
    """A proxy that changes nothing."""


class PageProbeTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.server = Server()
        self.installed = InstalledClient("1.0", fingerprint(hashes(FILES)))

    def read(self, proxy: Proxy = same, path: str = "/v1") -> Deferred[str]:
        self.site = Site(self.server, proxy)
        target = ProbeTarget(Clock(), self.site, f"ws://host/secret{path}")
        return Deferred.fromCoroutine(read_page(target, self.installed))

    def found(self, proxy: Proxy = same, path: str = "/v1") -> str:
        return self.successResultOf(self.read(proxy, path))

    def fault(self, proxy: Proxy = same) -> PageFault:
        failure = self.failureResultOf(self.read(proxy), PageError)
        assert isinstance(failure.value, PageError)
        return failure.value.fault

    def test_web_client(self) -> None:
        """The web client is read with all its files, below the prefix, and is what is installed here."""
        self.assertEqual(self.found(), "the web client, 4 files, the same as installed here")
        asked = {url.partition("?")[0] for url in self.site.asked}
        self.assertEqual(
            asked,
            {f"/secret/client/{name}" for name in [*FILES, "files.json"]}
            | {f"/secret/{path}" for path in ("", "sw.js", "status.json", "manifest.webmanifest")},
        )

    def test_not_compared(self) -> None:
        """Files of another release, or with none here, are not compared with those that are installed."""
        self.installed = InstalledClient("1.1", "other")
        self.assertIn("of version 1.0; 1.1 is installed here", self.found())
        self.server.version = None
        self.assertIn("here; the server does not show its version", self.found())
        self.installed = InstalledClient("1.0", None)
        self.assertIn("not compared", self.found())
        self.server.status = False
        self.assertIn("not compared", self.found())

    def test_other_files(self) -> None:
        """Other files of the same release are a fault."""
        self.installed = InstalledClient("1.0", "other")
        self.assertIs(self.fault(), PageFault.OTHER_FILES)

    def test_other_policy(self) -> None:
        """Another release may have another policy, but none without one."""

        def replace(path: str, answer: Answer) -> None:
            if "content-security-policy" in answer.headers:
                answer.headers["content-security-policy"] = "default-src 'none'"

        self.assertIs(self.fault(replace), PageFault.HEADERS)
        self.installed = InstalledClient("1.1", "other")
        self.assertIn("the web client", self.found(replace))

        def remove(path: str, answer: Answer) -> None:
            answer.headers.pop("content-security-policy", None)

        self.assertIs(self.fault(remove), PageFault.HEADERS)

    def test_commands(self) -> None:
        """A server without the web client shows the commands, whether or not it has a status page."""
        self.server.files = {}
        self.assertIn("switched off", self.found())
        self.server.status = False
        self.assertIn("switched off", self.found())

        def strip(path: str, answer: Answer) -> None:
            answer.headers.pop("referrer-policy", None)

        self.assertIs(self.fault(strip), PageFault.HEADERS)

    def test_other_pages(self) -> None:
        """Another site at the web root is no fault; one that fails is."""
        self.server.files = {}
        self.server.status = False
        self.server.commands = b"<title>Our shop</title>"
        self.assertIn("another page than this server's: status 200", self.found())

        def fail(path: str, answer: Answer) -> None:
            answer.status = 502

        self.assertIs(self.fault(fail), PageFault.MISSING)

    def test_other_path(self) -> None:
        """Where the rendezvous has a path of its own, nothing is asked."""
        self.assertIn("skipped", self.found(path="/rendezvous"))
        self.assertEqual(self.site.asked, [])

    def test_not_passed_on(self) -> None:
        """A path that a proxy does not pass on is named."""
        for hidden in (
            "/",
            "/client/files.json",
            "/client/page.js",
            "/sw.js",
            "/manifest.webmanifest",
        ):

            def hide(path: str, answer: Answer, hidden: str = hidden) -> None:
                if path.partition("?")[0] == hidden:
                    answer.status, answer.headers, answer.body = 404, {}, b""

            self.assertIs(self.fault(hide), PageFault.MISSING, hidden)

    def test_headers(self) -> None:
        """Each header that a proxy removes, on whatever it is, is a fault."""
        expected = {"": PAGE_HEADERS, "manifest.webmanifest": MANIFEST}
        for name in FILES:
            expected[f"client/{name}"] = {**file_headers(name), "cache-control": ""}
        for place, headers in expected.items():
            for name in headers:

                def remove(path: str, answer: Answer, place: str = place, name: str = name) -> None:
                    if path.partition("?")[0] == f"/{place}":
                        answer.headers.pop(name)

                self.assertIs(self.fault(remove), PageFault.HEADERS, f"{place} {name}")

    def test_caching_of_the_service_worker(self) -> None:
        """A proxy that has browsers keep every script is found at the service worker."""

        def keep(path: str, answer: Answer) -> None:
            if path.endswith(".js"):
                answer.headers["cache-control"] = "max-age=86400"

        self.assertIs(self.fault(keep), PageFault.HEADERS)

    def test_added(self) -> None:
        """A proxy that sets cookies is named."""

        def add(path: str, answer: Answer) -> None:
            answer.headers["Set-Cookie"] = "you=1"

        self.assertIs(self.fault(add), PageFault.ADDED)

    def test_compression(self) -> None:
        """A proxy that forgets Content-Encoding is named; one that unpacks everything is mentioned."""

        def forget(path: str, answer: Answer) -> None:
            answer.headers.pop("content-encoding", None)

        self.assertIs(self.fault(forget), PageFault.COMPRESSION)

        def unpack(path: str, answer: Answer) -> None:
            if answer.headers.pop("content-encoding", None):
                answer.body = gzip.decompress(answer.body)

        self.assertIn("uncompressed", self.found(unpack))

    def test_changed(self) -> None:
        """A proxy that rewrites a file, or adds something to the page, is named."""
        for url, more in (
            ("/client/worker.js", b"// ad"),
            ("/", b"<script>track()</script>"),
            ("/", b'<script src="https://elsewhere.example/x.js"></script>'),
            ("/", b'<img src="//elsewhere.example/x.png">'),
            ("/manifest.webmanifest", b"}"),
        ):

            def rewrite(path: str, answer: Answer, url: str = url, more: bytes = more) -> None:
                if path.partition("?")[0] == url:
                    answer.body += more

            self.assertIs(self.fault(rewrite), PageFault.CHANGED, more)

    def test_cached_page(self) -> None:
        """A cache that keeps the page shows by the files that an old one names."""
        old = Server(files={**FILES, "page.js": b"older"})

        def cache(path: str, answer: Answer) -> None:
            if path == "/":
                answer.body = old.page()

        self.assertIs(self.fault(cache), PageFault.CACHED)

    def test_cached_file(self) -> None:
        """A cache that does not look at the query shows by a file that is right past the cache."""
        current = file_url("page.css", hashes(FILES)["page.css"])

        def cache(path: str, answer: Answer) -> None:
            if path == f"/{current}":
                answer.body = b"older"

        self.assertIs(self.fault(cache), PageFault.CACHED)

    def test_instances(self) -> None:
        """Instances of different versions show by the status page of one and the files of another."""
        other = Server(files={**FILES, "page.js": b"older"})

        def balance(path: str, answer: Answer) -> None:
            if path.startswith("/status.json"):
                answer.body = other.answer("status.json", "").body

        self.assertIs(self.fault(balance), PageFault.INSTANCES)
