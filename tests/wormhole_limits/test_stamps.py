"""Tests of `wormhole_limits.stamps`."""

from __future__ import annotations

import contextlib
import hashlib
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_limits.fakes import mint
from wormhole_limits.stamps import StampError, StampRequirement, zero_bits

NOW = datetime(2026, 11, 26, 14, 30, 15, tzinfo=UTC)
REQUIRED = StampRequirement(8, "res")


class StampRequirementTests(SynchronousTestCase):
    def refuse(self, stamp: str, why: str) -> None:
        """A stamp does not count, and the reason is told."""
        with self.assertRaises(StampError) as raised:
            REQUIRED.check(stamp, NOW.timestamp())
        self.assertIn(why, str(raised.exception))

    def test_offer(self) -> None:
        """The welcome says how many bits for which resource."""
        self.assertEqual(REQUIRED.offer(), {"hashcash": {"bits": 8, "resource": "res"}})

    def test_forms(self) -> None:
        """Stamps count with every form of date, any base64 and any counter, as clients write them."""
        for stamp in (
            mint("1:8:261126:res::kC+/=kC:{:x}", 8),
            mint("1:8:2611261430:res::MTIzNDU:{}", 8),
            mint("1:20:261126143015:res:ext=1:-_-_:{:x}", 8),
        ):
            REQUIRED.check(stamp, NOW.timestamp())

    def test_malformed(self) -> None:
        """What is no stamp of version 1 does not count."""
        for stamp in (
            "",
            "1",
            ":" * 6,
            "0:8:261126:res::r:1",
            "1:8:261126:res::r:1:1",
            "1:8:261126:res",
        ):
            self.refuse(stamp, "form of hashcash version 1")

    def test_resource(self) -> None:
        """A stamp for another resource does not count."""
        self.refuse(mint("1:8:261126:other::r:{}", 8), "another resource")

    def test_bits(self) -> None:
        """The bits that the hash has count, and not what the stamp says of them."""
        self.refuse(mint("1:30:261126:res::r:{}", 4, at_most=7), "8 are required")

    def test_date(self) -> None:
        """A date may be a day off, and no more; one without a time is its whole day."""
        for text, counts in {
            "261125143016": True,
            "261125143014": False,
            "261127143014": True,
            "261127143016": False,
            "2611251431": True,
            "2611251429": False,
            "261125": True,
            "261124": False,
            "261127": True,
            "261128": False,
        }.items():
            stamp = mint(f"1:8:{text}:res::r:{{}}", 8)
            if counts:
                REQUIRED.check(stamp, NOW.timestamp())
            else:
                self.refuse(stamp, "more than a day off")

    def test_no_date(self) -> None:
        """What is no date does not count."""
        for text in (
            "",
            "26112",
            "261301",
            "260230",
            "2611262460",
            "26112614301",
            "٢٦1126",
            "261126x",
        ):
            self.refuse(mint(f"1:8:{text}:res::r:{{}}", 8), "YYMMDD")

    @given(st.text(max_size=200))
    def test_any_text(self, text: str) -> None:
        """Any text counts or raises the one error."""
        with contextlib.suppress(StampError):
            REQUIRED.check(text, NOW.timestamp())

    @given(
        st.integers(0, 10),
        st.text("abcdef0123456789", min_size=1, max_size=40),
        st.integers(946684800, 4102272000),
        st.integers(-86400, 86400),
    )
    def test_minted(self, bits: int, resource: str, seconds: int, off: int) -> None:
        """A stamp that was minted as required counts, for its resource only, while its date is near."""
        date = datetime.fromtimestamp(seconds, UTC)
        stamp = mint(f"1:{bits}:{date:%y%m%d%H%M%S}:{resource}::r:{{}}", bits)
        now = date + timedelta(seconds=off)
        StampRequirement(bits, resource).check(stamp, now.timestamp())
        for requirement, time in (
            (StampRequirement(bits, resource + "0"), now),
            (StampRequirement(zero_bits(stamp) + 1, resource), now),
            (StampRequirement(bits, resource), now + timedelta(days=3)),
        ):
            self.assertRaises(StampError, requirement.check, stamp, time.timestamp())


class ZeroBitsTests(SynchronousTestCase):
    @given(st.text())
    def test_as_text(self, text: str) -> None:
        """They are the zeros before the first one in the digest, written in binary."""
        digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
        binary = f"{int(digest, 16):0160b}"
        self.assertEqual(zero_bits(text), len(binary) - len(binary.lstrip("0")))
