"""Tests of the reading of a web page."""

from twisted.trial.unittest import SynchronousTestCase

from wormhole_client.checks.page_document import PageDocument, icons_of

PAGE = """<!DOCTYPE html>
<html><head><title>A &amp; B</title><link rel="icon" href="icon.png"><script src="page.js"></script></head>
<body><a href="commands">elsewhere</a><img src="picture.png">
<div id="screen" data-server="{&quot;assets&quot;: {&quot;worker&quot;: &quot;w.js&quot;}}"></div>
</body></html>"""


class PageDocumentTests(SynchronousTestCase):
    def test_page(self) -> None:
        """The page of the web client: what a browser loads, and what its workers are."""
        document = PageDocument(PAGE)
        self.assertEqual(document.title, "A & B")
        self.assertEqual(document.loaded, ["icon.png", "page.js", "picture.png"])
        self.assertEqual(document.workers(), ["w.js"])
        self.assertFalse(document.has_inline_script)

    def test_inline_script(self) -> None:
        """A script without an address is noticed."""
        self.assertTrue(PageDocument(PAGE + "<script>alert()</script>").has_inline_script)

    def test_other_pages(self) -> None:
        """Another page tells the web client nothing, and nonsense is no error."""
        for text in ("", "plain text", "<title>Shop</title>", "<link><div id=other>"):
            self.assertIsNone(PageDocument(text).facts, text)
        for facts in ("", "[]", "{", '{"assets": 5}'):
            page = PageDocument(f"<div id=screen data-server='{facts}'>")
            self.assertEqual((page.facts is None, page.workers()), (False, []), facts)

    def test_icons(self) -> None:
        """The pictures of a manifest; something else is no manifest."""
        self.assertEqual(icons_of(b'{"icons": [{"src": "a"}, 1, {"src": "b"}]}'), ["a", "b"])
        for text in (b"", b"[]", b"{}", b'{"icons": 1}', b"\xff"):
            self.assertIsNone(icons_of(text), text)
