"""Tests of `wormhole_server.web.path_prefix`."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.web.path_prefix import PathPrefix


class PathPrefixTests(SynchronousTestCase):
    def test_strip(self) -> None:
        """What is behind the prefix is left; a path with another beginning is none."""
        prefix = PathPrefix("/s3/x")
        for path, rest in {
            b"/s3/x/v1": b"/v1",
            b"/s3/x/": b"/",
            b"/s3/x": b"",
            b"/s3/xy/v1": None,
            b"/s3": None,
            b"/S3/x/v1": None,
            b"/v1": None,
            b"": None,
            b"*": None,
        }.items():
            self.assertEqual(prefix.strip(path), rest, path)

    def test_none(self) -> None:
        """Without a prefix every path stays as it is."""
        self.assertEqual(PathPrefix(None).strip(b"/v1"), b"/v1")
        self.assertIsNone(PathPrefix(None).strip(b"*"))

    def test_hide(self) -> None:
        """The prefix at the end of a URL is replaced, and nothing else."""
        prefix = PathPrefix("/v1")
        self.assertEqual(prefix.hide("ws://v1/v1/v1"), "ws://v1/PATH-PREFIX/v1")
        self.assertEqual(PathPrefix(None).hide("ws://h/v1"), "ws://h/v1")

    @given(st.from_regex("(/[a-z0-9]{1,4}){1,2}", fullmatch=True), st.binary(max_size=12))
    def test_any_path(self, text: str, path: bytes) -> None:
        """A path is stripped exactly if it is the prefix, or goes on behind it with a slash."""
        prefix = text.encode()
        rest = PathPrefix(text).strip(path)
        if rest is None:
            self.assertFalse(path == prefix or path.startswith(prefix + b"/"))
        else:
            self.assertEqual(path, prefix + rest)
            self.assertTrue(rest in (b"", b"/") or rest.startswith(b"/"))

    @given(st.from_regex("(/[a-z0-9]{1,4}){1,2}", fullmatch=True), st.binary(max_size=12))
    def test_behind_it(self, text: str, rest: bytes) -> None:
        """Whatever follows the prefix and a slash is left."""
        self.assertEqual(PathPrefix(text).strip(text.encode() + b"/" + rest), b"/" + rest)
