"""Tests of `wormhole_web.files`."""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from wormhole_web.files import (
    PAGE_HEADERS,
    file_headers,
    file_url,
    fingerprint,
    installed_files,
)


class FileTests(SynchronousTestCase):
    def test_installed(self) -> None:
        """What the build has listed is read; without its list there are no files."""
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.assertEqual(installed_files(folder), {})
        (folder / "files.json").write_text(json.dumps({"page.js": "ab"}))
        self.assertEqual(installed_files(folder), {"page.js": "ab"})

    def test_url(self) -> None:
        """The URL of a file changes with its content."""
        self.assertEqual(
            file_url("page.js", "0123456789abcdef" * 4), "client/page.js?0123456789abcdef"
        )

    def test_fingerprint(self) -> None:
        """The fingerprint is that of the list of all hashes, in the order of the names."""
        expected = hashlib.sha256(b"1  a.js\n2  b.js\n").hexdigest()
        self.assertEqual(fingerprint({"b.js": "2", "a.js": "1"}), expected)

    def test_headers(self) -> None:
        """Only workers may connect; nothing runs inline scripts or WebAssembly; no type is guessed."""
        for name in ("worker.js", "sw.js", "page.js", "icon.png"):
            headers = file_headers(name)
            connects = "connect-src" in headers["content-security-policy"]
            self.assertEqual(connects, name in {"worker.js", "sw.js"}, name)
            self.assertNotIn("unsafe", headers["content-security-policy"] + str(PAGE_HEADERS))
            self.assertEqual(headers["x-content-type-options"], "nosniff")
        self.assertEqual(file_headers("page.js")["content-type"], "text/javascript; charset=utf-8")
        self.assertEqual(
            file_headers("of.another-release")["content-type"], "application/octet-stream"
        )
