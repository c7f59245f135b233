"""Tests of the faults of a web page."""

import gzip
import hashlib

from twisted.trial.unittest import SynchronousTestCase

from wormhole_client.checks.page_faults import (
    PageError,
    PageFault,
    check_headers,
    content,
    has_content,
)
from wormhole_client.network.http import HttpResponse

EXPECTED = {"content-type": "text/html; charset=utf-8", "x-policy": None}
SENT = {"content-type": "text/html; charset=utf-8", "x-policy": "strict"}


def answer(status: int = 200, body: bytes = b"", **headers: str) -> HttpResponse:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpResponse(status, {**SENT, **sent}, body)


class PageFaultsTests(SynchronousTestCase):
    def fault(self, given: HttpResponse) -> tuple[PageFault, str]:
        error = self.assertRaises(PageError, check_headers, "/x", given, EXPECTED)
        return error.fault, str(error)

    def test_headers(self) -> None:
        """Headers that mean the same are the same; others do no harm."""
        check_headers("/x", answer(), EXPECTED)
        given = answer(
            content_type="Text/HTML;charset=UTF-8", strict_transport_security="max-age=1"
        )
        check_headers("/x", given, EXPECTED)

    def test_faults(self) -> None:
        """What is missing, replaced or added is named, and where."""
        gone = HttpResponse(200, {"content-type": "text/plain\n"}, b"")
        fault, text = self.fault(gone)
        self.assertIs(fault, PageFault.HEADERS)
        self.assertEqual(text, "/x: Content-Type is 'text/plain\\n', X-Policy is missing")
        for name in ("set-cookie", "nel", "report-to", "content-security-policy-report-only"):
            added = HttpResponse(200, {**SENT, name: "x"}, b"")
            self.assertEqual(self.fault(added)[0], PageFault.ADDED, name)
        self.assertEqual(self.fault(answer(404)), (PageFault.MISSING, "/x: status 404"))

    def test_content(self) -> None:
        """A body is read, compressed or not."""
        packed = gzip.compress(b"text")
        for body, coding in ((b"text", "identity"), (packed, "gzip"), (packed, "GZIP")):
            self.assertEqual(content("/x", answer(body=body, content_encoding=coding)), b"text")
        self.assertEqual(content("/x", answer(body=b"text")), b"text")
        sha256 = hashlib.sha256(b"text").hexdigest()
        self.assertTrue(has_content("/x", answer(body=b"text"), sha256))
        self.assertFalse(has_content("/x", answer(body=b"other"), sha256))

    def test_compression(self) -> None:
        """A body and its Content-Encoding that do not belong together are named."""
        for given in (
            answer(body=gzip.compress(b"text")),
            answer(body=b"text", content_encoding="gzip"),
            answer(body=b"text", content_encoding="br"),
        ):
            error = self.assertRaises(PageError, content, "/x", given)
            self.assertIs(error.fault, PageFault.COMPRESSION, given)
