"""
The accounts of addresses: what each has in the database, as far as this process has stored it.

Owns the count of stored bytes and of nameplates of each address, in memory only: an address is never written
to the database, and a restart forgets it. What is removed on another instance, or expires, is found by
comparing with the database from time to time. No I/O; time is a parameter.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Iterator, Mapping

import attrs

from rendezvous.errors import ErrorKind
from rendezvous.protocol.envelope import utf8_length
from rendezvous.subscriptions import Address
from wormhole_limits.buckets import Rate, TokenBuckets

# Mailboxes that are remembered, about 40 MiB. The oldest are forgotten first, with what was stored in them.
MAX_MAILBOXES = 65_536
# What the rows of a mailbox and of a message take beside the texts, indexes included; a mailbox has the usual
# texts of its nameplate.
_MAILBOX_BYTES = 500
MESSAGE_BYTES = 100


def mailbox_bytes(app: str, side: str, mailbox: str = "") -> int:
    """
    Return the bytes that a new mailbox takes in the database, about.

    :param mailbox: its id, if a client chose it.
    """
    # A row and an index entry have both ids, and a page of SQLite is half empty where they are long. The
    # nameplate has the side again.
    return _MAILBOX_BYTES + 4 * utf8_length(app + mailbox) + 2 * utf8_length(side)


@attrs.frozen
class AddressLimits:
    """
    What one address may take.

    :ivar stored: bytes in the database; None for no limit.
    :ivar nameplates: how many may exist; None for no limit.
    :ivar new_mailboxes: how fast mailboxes are created, with or without a nameplate; None for no limit.
    """

    stored: int | None
    nameplates: int | None
    new_mailboxes: Rate | None


class _Account:
    __slots__ = ("nameplates", "stored")

    def __init__(self) -> None:
        self.stored = 0
        self.nameplates = 0


class _Held:
    """A mailbox: whose nameplate points to it, and how much of it is whose."""

    __slots__ = ("nameplate", "owner", "stored")

    def __init__(self) -> None:
        self.nameplate: str | None = None
        self.owner = 0
        self.stored: dict[int, int] = {}


class Accounts:
    """
    All accounts. An address is a key as `block_of` returns it; what has the key 0 is not counted.

    :ivar limits: may be changed at any time.
    """

    def __init__(self, limits: AddressLimits) -> None:
        self._new_mailboxes = TokenBuckets(limits.new_mailboxes)
        self._accounts: defaultdict[int, _Account] = defaultdict(_Account)
        self._mailboxes: OrderedDict[Address, _Held] = OrderedDict()
        # By application and nameplate.
        self._by_nameplate: dict[tuple[str, str], Address] = {}
        self.limits = limits

    def change(self, limits: AddressLimits) -> None:
        """Use other limits from now on."""
        self.limits = limits
        self._new_mailboxes.rate = limits.new_mailboxes

    def __len__(self) -> int:
        """Return how many mailboxes are remembered."""
        return len(self._mailboxes)

    def stored(self, block: int) -> int:
        """Return the bytes that an address has in the database, or is about to store."""
        return self._accounts[block].stored if block in self._accounts else 0

    def nameplates(self, block: int) -> int:
        """Return how many nameplates an address has, or is about to claim."""
        return self._accounts[block].nameplates if block in self._accounts else 0

    def take_bytes(self, block: int, size: int) -> bool:
        """
        Count bytes that are about to be stored.

        :return: False if the address has too many; then nothing is counted.
        """
        most = self.limits.stored
        if block and most is not None and self.stored(block) + size > most:
            return False
        self._accounts[block].stored += size
        return True

    def give_bytes_back(self, block: int, size: int) -> None:
        """Take back what `take_bytes` has counted: it was not stored."""
        self._accounts[block].stored -= size
        self._forget_empty(block)

    def keep_bytes(self, block: int, address: Address, size: int) -> None:
        """What `take_bytes` has counted was stored in this mailbox, and is removed with it."""
        held = self._held(address)
        held.stored[block] = held.stored.get(block, 0) + size

    def take_mailbox(self, block: int, size: int, now: float) -> ErrorKind | None:
        """
        Count a nameplate and a mailbox that may be about to be created.

        :param size: see `mailbox_bytes`.
        :param now: seconds of a steady clock.
        :return: why the address may not create one; then nothing is counted.
        """
        if block:
            most = self.limits.nameplates
            if most is not None and self.nameplates(block) >= most:
                return ErrorKind.TOO_MANY_NAMEPLATES
            if not self.take_bytes(block, size):
                return ErrorKind.TOO_MUCH_STORED
            if not self._new_mailboxes.take(block, now):
                self.give_bytes_back(block, size)
                return ErrorKind.TOO_FAST
        else:
            self._accounts[block].stored += size
        self._accounts[block].nameplates += 1
        return None

    def give_mailbox_back(self, block: int, size: int, now: float) -> None:
        """Take back what `take_mailbox` has counted: nothing was created."""
        self._accounts[block].nameplates -= 1
        self.give_bytes_back(block, size)
        self._new_mailboxes.spend(block, now, -1.0)

    def keep_mailbox(self, block: int, address: Address, nameplate: str | None, size: int) -> None:
        """What `take_mailbox` has counted was created: a mailbox, and the nameplate that points to it."""
        self.keep_bytes(block, address, size)
        if nameplate is None:
            self._accounts[block].nameplates -= 1
            return
        # One that had it before has expired, or was released on another instance.
        self.nameplate_removed(address[0], nameplate)
        held = self._held(address)
        held.nameplate, held.owner = nameplate, block
        self._by_nameplate[address[0], nameplate] = address

    def nameplate_removed(self, app: str, nameplate: str) -> None:
        """A nameplate was removed."""
        address = self._by_nameplate.pop((app, nameplate), None)
        if address is not None:
            self._drop_nameplate(self._mailboxes[address])

    def mailbox_removed(self, address: Address) -> None:
        """A mailbox was removed, with its messages and the nameplate that still pointed to it."""
        held = self._mailboxes.pop(address, None)
        if held is None:
            return
        if held.nameplate is not None:
            self._by_nameplate.pop((address[0], held.nameplate), None)
            self._drop_nameplate(held)
        for block, size in held.stored.items():
            self.give_bytes_back(block, size)

    def mailboxes(self, at_most: int) -> Iterator[tuple[str, list[str]]]:
        """Go through the mailboxes that are remembered now: each time some of one application."""
        by_app: defaultdict[str, list[str]] = defaultdict(list)
        for app, mailbox in self._mailboxes:
            by_app[app].append(mailbox)
        for app, some in by_app.items():
            for first in range(0, len(some), at_most):
                yield app, some[first : first + at_most]

    def compare(self, app: str, mailboxes: Iterable[str], found: Mapping[str, str | None]) -> None:
        """
        Forget what no longer exists.

        :param mailboxes: those that were looked for.
        :param found: those that exist, each with the nameplate that points to it.
        """
        for mailbox in mailboxes:
            held = self._mailboxes.get((app, mailbox))
            if held is None:
                continue
            if mailbox not in found:
                self.mailbox_removed((app, mailbox))
            elif held.nameplate is not None and found[mailbox] != held.nameplate:
                self.nameplate_removed(app, held.nameplate)

    def _held(self, address: Address) -> _Held:
        held = self._mailboxes.get(address)
        if held is None:
            held = self._mailboxes[address] = _Held()
            if len(self._mailboxes) > MAX_MAILBOXES:
                self.mailbox_removed(next(iter(self._mailboxes)))
        return held

    def _drop_nameplate(self, held: _Held) -> None:
        held.nameplate = None
        self._accounts[held.owner].nameplates -= 1
        self._forget_empty(held.owner)

    def _forget_empty(self, block: int) -> None:
        account = self._accounts[block]
        if account.stored <= 0 and account.nameplates <= 0:
            del self._accounts[block]
