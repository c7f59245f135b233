"""
What operations take turns on: keys, and the numbers that stand for them. No I/O.
"""

from __future__ import annotations

from hashlib import blake2b


def nameplate_key(app: str, nameplate: str) -> str:
    """What operations on a nameplate take turns on."""
    return f"nameplate {nameplate} {app}"


def mailbox_key(app: str, mailbox: str) -> str:
    """What operations on a mailbox take turns on."""
    return f"mailbox {len(mailbox)} {mailbox} {app}"


def lock_key(key: str) -> int:
    """
    The number that stands for a key among PostgreSQL's advisory locks and in announcements.

    The same on every instance; 64 bits with a sign, from which the key cannot be read.
    """
    return int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "big", signed=True)
