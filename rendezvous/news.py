"""
How instances tell each other of stored messages: the text of an announcement. No I/O.

An announcement names its instance, and for each mailbox that got something the number of its key, which
of the mailboxes of that name it is, and its newest message. Where all that does not fit, it says so, and
whoever hears it looks at everything that it listens to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

# PostgreSQL takes a payload of less than 8000 bytes.
MAX_BYTES = 7999
CHANNEL = "wormhole_rendezvous"
_EVERYTHING = "*"
_KEY_BITS = 64


@attrs.frozen
class News:
    """
    A mailbox got messages, up to number `number`.

    :ivar key: see `keys.lock_key`.
    :ivar box: the id of the mailbox's row, which tells apart what had the same name one after another.
    """

    key: int
    box: int
    number: int


@attrs.frozen
class Announcement:
    """
    What an instance has to say.

    :ivar origin: its instance.
    :ivar news: None where there is too much to tell.
    """

    origin: str
    news: Sequence[News] | None


def encode(origin: str, news: Mapping[int, tuple[int, int]]) -> str:
    """
    The payload for what a transaction has stored.

    :param news: from the number of a key to the mailbox's row and newest message.
    """
    words = [
        f"{key % (1 << _KEY_BITS):x}:{box:x}:{number:x}" for key, (box, number) in news.items()
    ]
    payload = " ".join([origin, *words])
    return payload if len(payload) <= MAX_BYTES else f"{origin} {_EVERYTHING}"


def decode(payload: str) -> Announcement:
    """
    What a payload says. One that is not understood may come from a newer instance: it tells to look.
    """
    origin, *words = payload.split(" ")
    try:
        return Announcement(origin, [_news(word) for word in words])
    except ValueError:
        return Announcement(origin, None)


def _news(word: str) -> News:
    key, box, number = (int(part, 16) for part in word.split(":"))
    signed = key - (1 << _KEY_BITS) if key >> (_KEY_BITS - 1) else key
    return News(signed, box, number)
