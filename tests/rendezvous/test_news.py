"""Tests of `rendezvous.news`."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from rendezvous.news import MAX_BYTES, Announcement, News, decode, encode

_KEYS = st.integers(-(2**63), 2**63 - 1)
_NEWEST = st.tuples(st.integers(1, 2**63 - 1), st.integers(1, 2**31 - 1))


class NewsTests(SynchronousTestCase):
    """What one instance writes, another reads."""

    @given(st.dictionaries(_KEYS, _NEWEST, max_size=100))
    def test_there_and_back(self, news: dict[int, tuple[int, int]]) -> None:
        """All that was stored is told, and who tells it."""
        told = [News(key, box, number) for key, (box, number) in news.items()]
        self.assertEqual(decode(encode("me", news)), Announcement("me", told))

    def test_too_much(self) -> None:
        """What does not fit in a payload becomes a call to look at everything."""
        full = dict.fromkeys(range(-1000, 0), (2**63 - 1, 2**31 - 1))
        payload = encode("me", full)
        self.assertLessEqual(len(payload), MAX_BYTES)
        self.assertEqual(decode(payload), Announcement("me", None))
        # A batch of the usual size fits.
        usual = dict.fromkeys(range(-200, 0), (10**9, 1000))
        self.assertEqual(len(decode(encode("me", usual)).news or ()), 200)

    @given(st.text(max_size=40))
    def test_anything(self, payload: str) -> None:
        """A payload that is not understood is one to look at everything."""
        announcement = decode(payload)
        self.assertTrue(announcement.news is None or isinstance(announcement.news, list))

    def test_not_understood(self) -> None:
        """Of another form, or of a newer one."""
        for payload in ("me *", "me x:1:1", "me 1:1", "me 1:1:1:1", "me 1:1:1 later"):
            self.assertIsNone(decode(payload).news, payload)
