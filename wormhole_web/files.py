"""
The files of the browser client: where the package build puts them, their fingerprint, and the headers with
which they and their page are served.

Owns the content security policies. Serves and fetches nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Final

# See web/build.mjs.
BUILT: Final = Path(__file__).parents[1] / "wormhole_server" / "web" / "client"
# Lists the files with their SHA-256, in hex; below the folder of the files when they are served.
LISTING: Final = "files.json"

_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}

# No script, style, picture or request of another origin, and nothing inline. Frames are downloads.
_PAGE_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "worker-src 'self'; frame-src 'self'; manifest-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# Only workers connect: that of a transfer to the servers, the service worker for a page that it passes on.
_WORKER_POLICY: Final = "default-src 'none'; script-src 'self'; connect-src 'self'"
_POLICY: Final = "default-src 'none'"
_POLICIES: Final = {"worker.js": _WORKER_POLICY, "sw.js": _WORKER_POLICY}

_YEAR: Final = 365 * 24 * 60 * 60
KEPT: Final = f"max-age={_YEAR}, immutable"  # Cache-Control of a file at the URL of its content
REVALIDATED: Final = "no-cache"  # Cache-Control of a file at another URL

# Names in lower case, as HTTP/2 has them.
COMMON_HEADERS: Final[Mapping[str, str]] = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
PAGE_HEADERS: Final[Mapping[str, str]] = {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": _PAGE_POLICY,
    **COMMON_HEADERS,
    "cache-control": "no-store",
}


def file_headers(name: str) -> Mapping[str, str]:
    """Return the headers of a file that do not depend on the request."""
    return {
        "content-type": _TYPES.get(PurePath(name).suffix, "application/octet-stream"),
        "content-security-policy": _POLICIES.get(name, _POLICY),
        **COMMON_HEADERS,
        "cross-origin-resource-policy": "same-origin",
    }


def file_url(name: str, sha256: str) -> str:
    """
    Return the URL of a file, relative to the page.

    It changes with the content, so that a browser may keep the file.

    :param sha256: of its content, in hex.
    """
    return f"client/{name}?{sha256[:16]}"


def fingerprint(hashes: Mapping[str, str]) -> str:
    """
    Return one SHA-256 over all files: of lines `HASH  NAME`, in the order of the names.

    :param hashes: the SHA-256 of each file, in hex, by name.
    """
    lines = "".join(f"{sha256}  {name}\n" for name, sha256 in sorted(hashes.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def installed_files(folder: Path = BUILT) -> Mapping[str, str]:
    """
    Read what the package build has listed.

    :return: the SHA-256 of each file, in hex, by name; empty where this program was built without them.
    """
    try:
        listed: dict[str, str] = json.loads((folder / LISTING).read_text("utf-8"))
    except FileNotFoundError:
        return {}
    return listed
