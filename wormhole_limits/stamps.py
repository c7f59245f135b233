"""
Hashcash stamps, version 1: a proof that a client has spent some processor time for this server. No I/O.

    1:BITS:YYMMDD[hhmm[ss]]:RESOURCE:EXTENSION:RANDOM:COUNTER

Owns which stamps count. The resource is a new one for each connection, so that a stamp counts once, on that
connection, on whichever instance, and nothing has to be remembered of those that were spent.
"""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

import attrs

# Bytes. A stamp has about 80, and 40 are the resource's.
MAX_STAMP_BYTES: Final = 1024
# More than time zones differ, and clocks that somebody still looks at.
_DAY_SECONDS: Final = 86400.0
_FIELDS: Final = 7
_DATE: Final = re.compile(r"(\d\d)(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d)?)?", re.ASCII)


class StampError(ValueError):
    """A stamp does not count. The text says why."""


@attrs.frozen
class StampRequirement:
    """
    What a client has to submit a stamp for.

    :ivar bits: how many bits at the beginning of its SHA-1 are zero; each more doubles the client's work.
    :ivar resource: a text without colons.
    """

    bits: int
    resource: str

    def offer(self) -> dict[str, object]:
        """Return what the welcome says under `permission-required`."""
        return {"hashcash": {"bits": self.bits, "resource": self.resource}}

    def check(self, stamp: str, now: float) -> None:
        """
        Check a stamp.

        :param now: seconds since the epoch.
        :raises StampError: it does not count.
        """
        fields = stamp.split(":")
        if len(fields) != _FIELDS or fields[0] != "1":
            raise StampError("it does not have the form of hashcash version 1")
        if fields[3] != self.resource:
            raise StampError("it is for another resource than this connection's")
        begin, end = _read_date(fields[2])
        if not begin - _DAY_SECONDS <= now <= end + _DAY_SECONDS:
            raise StampError("its date is more than a day off; check the clock")
        found = zero_bits(stamp)
        if found < self.bits:
            raise StampError(f"it has {found} zero bits, and {self.bits} are required")


def zero_bits(stamp: str) -> int:
    """Count the zero bits at the beginning of the SHA-1 of a stamp."""
    digest = hashlib.sha1(stamp.encode(), usedforsecurity=False).digest()
    return len(digest) * 8 - int.from_bytes(digest).bit_length()


def _read_date(text: str) -> tuple[float, float]:
    """
    Return the time that a date stands for: a day, if that is all it says.

    :raises StampError: it is not a date.
    """
    match = _DATE.fullmatch(text)
    if match is not None:
        year, month, day, hour, minute, second = (int(each or 0) for each in match.groups())
        with suppress(ValueError):
            begin = datetime(2000 + year, month, day, hour, minute, second, tzinfo=UTC).timestamp()
            return begin, begin + (_DAY_SECONDS if match[4] is None else 0.0)
    raise StampError("its date is not YYMMDD, YYMMDDhhmm or YYMMDDhhmmss")
