"""Tests of `rendezvous.ledger.announcement`."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from rendezvous.ledger.announcement import MAX_BYTES, Announcement, NewMessages, decode, encode

_KEYS = st.integers(-(2**63), 2**63 - 1)
_STORED = st.builds(NewMessages, _KEYS, st.integers(1, 2**63 - 1), st.integers(1, 2**31 - 1))


class AnnouncementTests(SynchronousTestCase):
    """What one instance writes, another reads."""

    @given(st.lists(_STORED, max_size=100))
    def test_there_and_back(self, stored: list[NewMessages]) -> None:
        """All that was stored is announced, and by which instance."""
        self.assertEqual(decode(encode("me", stored)), Announcement("me", stored))

    def test_too_much(self) -> None:
        """What does not fit in a payload becomes a call to look at everything."""
        full = [NewMessages(key, 2**63 - 1, 2**31 - 1) for key in range(-1000, 0)]
        payload = encode("me", full)
        self.assertLessEqual(len(payload), MAX_BYTES)
        self.assertEqual(decode(payload), Announcement("me", None))
        # A batch of the usual size fits.
        usual = [NewMessages(key, 10**9, 1000) for key in range(-200, 0)]
        self.assertEqual(len(decode(encode("me", usual)).stored or ()), 200)

    def test_just_fits(self) -> None:
        """A payload of exactly the longest length is sent as it is."""
        stored = [NewMessages(1, 1, 1)]
        spare = MAX_BYTES - len(encode("", stored))
        self.assertEqual(decode(encode("m" * spare, stored)).stored, stored)
        self.assertIsNone(decode(encode("m" * (spare + 1), stored)).stored)

    @given(st.text(max_size=40))
    def test_anything(self, payload: str) -> None:
        """A payload that is not understood is one to look at everything."""
        announcement = decode(payload)
        self.assertTrue(announcement.stored is None or isinstance(announcement.stored, list))

    def test_not_understood(self) -> None:
        """Of another form, or of a newer one."""
        for payload in ("me *", "me x:1:1", "me 1:1", "me 1:1:1:1", "me 1:1:1 later"):
            self.assertIsNone(decode(payload).stored, payload)
