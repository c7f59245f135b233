"""
The page probe: reads the web root as a browser does, the web client with all its files, and compares them
with what the server says of itself and with what is installed here.

Needs nothing of the client's extra. Runs nothing of what it reads.
"""

import json
import os
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any, Final

import attrs

from wormhole_client.checks.connection_probes import ProbeTarget
from wormhole_client.checks.page_document import COMMANDS_TITLE, PageDocument, icons_of
from wormhole_client.checks.page_faults import (
    PageError,
    PageFault,
    check_headers,
    content,
    has_content,
)
from wormhole_client.network.http import HttpResponse, http_fetch
from wormhole_web.files import (
    COMMON_HEADERS,
    KEPT,
    LISTING,
    PAGE_HEADERS,
    REVALIDATED,
    file_headers,
    file_url,
    fingerprint,
    installed_files,
)

_RENDEZVOUS: Final = "/v1"
_BROWSER: Final = {"Accept": "text/html", "Accept-Encoding": "gzip"}
_POLICY: Final = "content-security-policy"
_MANIFEST: Final = "manifest.webmanifest"
_SERVICE_WORKER: Final = "sw.js"


@attrs.frozen
class InstalledClient:
    """
    The web client of the release that is installed here.

    :ivar fingerprint: None where it was built without one.
    """

    version: str
    fingerprint: str | None


def installed_client() -> InstalledClient:
    """Read what is installed beside this package."""
    files = installed_files()
    return InstalledClient(version("wormhole-server"), fingerprint(files) if files else None)


async def read_page(target: ProbeTarget, installed: InstalledClient) -> str:
    """
    Read the web root, and the web client if it is there.

    :return: what there is, in a few words.
    :raises PageError: something does not arrive as a server of this suite sends it.
    :raises Exception: what the network, TLS or HTTP reported.
    """
    address, slash, path = target.relay_url.partition("?")[0].rpartition("/")
    if slash + path != _RENDEZVOUS:
        return f"skipped: only beside {_RENDEZVOUS} is known where the page is"
    return await _PageProbe(target, f"{address}/", installed).run()


@attrs.frozen
class _PageProbe:
    """One look at a web root."""

    _target: ProbeTarget
    _root: str
    _installed: InstalledClient

    async def run(self) -> str:
        status = await self._read_json("status.json")
        announced = None if status is None else status.get("web_client")
        answer = await self._get("", _BROWSER)
        document = PageDocument(content("/", answer).decode("utf-8", "replace"))
        if document.facts is not None:
            return await self._check_client(answer, document, status)
        if announced is not None or answer.status >= 500:
            raise PageError(PageFault.MISSING, f"/ is not the web client: status {answer.status}")
        if answer.status == 200 and (status is not None or document.title == COMMANDS_TITLE):
            check_headers("/", answer, COMMON_HEADERS)
            return "the commands; the web client is switched off, or not built in"
        return f"another page than this server's: status {answer.status}"

    async def _check_client(
        self, answer: HttpResponse, document: PageDocument, status: Mapping[str, Any] | None
    ) -> str:
        self._check_headers("/", answer, PAGE_HEADERS, status)
        listed = await self._read_json(f"client/{LISTING}")
        if listed is None:
            raise PageError(PageFault.MISSING, f"/client/{LISTING} is not there")
        hashes = {str(name): str(sha256) for name, sha256 in listed.items()}
        served = fingerprint(hashes)
        if status is not None and status.get("web_client") != served:
            raise PageError(
                PageFault.INSTANCES, "/status.json has another hash than the files that are served"
            )
        manifest = await self._get(_MANIFEST)
        expected = {**COMMON_HEADERS, "content-type": "application/manifest+json; charset=utf-8"}
        check_headers(f"/{_MANIFEST}", manifest, expected)
        icons = icons_of(content(f"/{_MANIFEST}", manifest))
        if document.has_inline_script or icons is None:
            raise PageError(
                PageFault.CHANGED, f"/ or /{_MANIFEST} has other content than it should"
            )
        _check_addresses("/", [*document.loaded, *document.workers()], hashes)
        _check_addresses(f"/{_MANIFEST}", icons, hashes)
        files = [(file_url(name, sha256), name, KEPT) for name, sha256 in hashes.items()]
        if _SERVICE_WORKER in hashes:
            files.append((_SERVICE_WORKER, _SERVICE_WORKER, REVALIDATED))
        compressed = False
        for url, name, caching in files:
            answer = await self._get(url)
            headers = {**file_headers(name), "cache-control": caching}
            self._check_headers(f"/{url}", answer, headers, status)
            await self._check_content(url, answer, hashes[name])
            compressed |= "content-encoding" in answer.headers
        note = "" if compressed else ", uncompressed: something between removes Accept-Encoding"
        return f"the web client, {len(hashes)} files{self._compare(status, served)}{note}"

    def _check_headers(
        self,
        path: str,
        answer: HttpResponse,
        expected: Mapping[str, str],
        status: Mapping[str, Any] | None,
    ) -> None:
        """Compare headers; another release may have another policy."""
        same = status is not None and status.get("version") == self._installed.version
        policy = expected[_POLICY] if same else None
        check_headers(path.partition("?")[0], answer, {**expected, _POLICY: policy})

    async def _check_content(self, url: str, answer: HttpResponse, sha256: str) -> None:
        name = url.partition("?")[0]
        if has_content(f"/{name}", answer, sha256):
            return
        again = await self._get_fresh(name)
        if again.status == 200 and has_content(f"/{name}", again, sha256):
            raise PageError(PageFault.CACHED, f"/{name} is of another version")
        raise PageError(PageFault.CHANGED, f"/{name} has other content than the server says")

    def _compare(self, status: Mapping[str, Any] | None, served: str) -> str:
        """Compare the files with those that are installed here, if they are of the same release."""
        installed = self._installed
        if installed.fingerprint == served:
            return ", the same as installed here"
        if status is None or installed.fingerprint is None:
            return ", not compared with any here"
        if status.get("version") is None:
            return ", others than are installed here; the server does not show its version"
        if status.get("version") != installed.version:
            return f" of version {ascii(status.get('version'))[1:-1]}; {installed.version} is installed here"
        raise PageError(
            PageFault.OTHER_FILES,
            f"the server has other files of version {installed.version} than are installed here",
        )

    async def _read_json(self, path: str) -> Mapping[str, Any] | None:
        """Read an object that the server makes; None where there is none."""
        answer = await self._get_fresh(path)
        if answer.status != 200:
            return None
        try:
            value = json.loads(content(f"/{path}", answer))
        except ValueError:
            return None
        return value if isinstance(value, Mapping) else None

    async def _get_fresh(self, path: str) -> HttpResponse:
        """Get something past every cache, which has never seen this URL."""
        return await self._get(f"{path}?{os.urandom(8).hex()}")

    async def _get(self, url: str, headers: Mapping[str, str] | None = None) -> HttpResponse:
        asked = headers or {"Accept-Encoding": "gzip"}
        return await http_fetch(self._target.network, self._root + url, asked)


def _check_addresses(path: str, addresses: Iterable[str], hashes: Mapping[str, str]) -> None:
    """
    Check that a document names the files that are served, and nothing else.

    :raises PageError: CACHED or CHANGED.
    """
    served = {file_url(name, sha256) for name, sha256 in hashes.items()}
    for address in addresses:
        if address in served or address in {_MANIFEST, _SERVICE_WORKER}:
            continue
        if address.startswith("client/"):
            raise PageError(PageFault.CACHED, f"{path} is of another version than its files")
        raise PageError(PageFault.CHANGED, f"{path} loads {address!a}")
