"""
The allowance of one connection: what it may take of what its address and the disk have.

Owns which of these are asked, and what is counted as a wrong guess. A command takes before the ledger
performs it, and then keeps or gives back what it took.
"""

from __future__ import annotations

import attrs

from rendezvous.errors import ErrorKind, Refusal
from rendezvous.sharing.accounts import Accounts, AddressLimits
from rendezvous.sharing.disk import DiskReserve
from rendezvous.sharing.guesses import Guesses
from rendezvous.subscriptions import Address, Subscriptions


@attrs.define
class Shares:
    """
    What all connections share.

    :ivar listeners: how many connections of a side may listen to a mailbox; None for no limit.
    """

    accounts: Accounts
    guesses: Guesses
    disk: DiskReserve
    subscriptions: Subscriptions
    listeners: int | None

    def change(
        self,
        address: AddressLimits,
        guesses: int | None,
        disk_reserve: int | None,
        listeners: int | None,
    ) -> None:
        """Use other limits from now on; see `Limits` of the server."""
        self.accounts.change(address)
        self.guesses.change(guesses)
        self.disk.change(disk_reserve)
        self.listeners = listeners


class ClientAllowance:
    """
    What commands take of the shares.

    :ivar block: the key of the client's address; see `block_of`.
    """

    __slots__ = ("_guessing", "_own_nameplate", "_shares", "_silent", "block")

    def __init__(self, shares: Shares) -> None:
        self._shares = shares
        self.block = 0
        # The nameplate that was allocated on this connection.
        self._own_nameplate: str | None = None
        # It has joined a nameplate as second side, and has not said anything since.
        self._guessing = False
        self._silent = False

    # Bytes.

    def take_bytes(self, size: int, now: float) -> None:
        """
        Count bytes that are about to be stored.

        :param now: seconds of a steady clock, as in the other methods.
        :raises Refusal: DISK_FULL or TOO_MUCH_STORED; nothing is counted.
        """
        shares = self._shares
        if not shares.disk.has_room(now):
            raise Refusal(ErrorKind.DISK_FULL)
        if not shares.accounts.take_bytes(self.block, size):
            raise Refusal(ErrorKind.TOO_MUCH_STORED)
        shares.disk.coming += size

    def keep_bytes(self, address: Address, size: int) -> None:
        """What was taken has been stored in this mailbox."""
        self._shares.disk.coming -= size
        self._shares.accounts.keep_bytes(self.block, address, size)
        self._silent = False

    def give_bytes_back(self, size: int) -> None:
        """What was taken has not been stored."""
        self._shares.disk.coming -= size
        self._shares.accounts.give_bytes_back(self.block, size)

    # Mailboxes and nameplates.

    def take_mailbox(self, size: int, now: float) -> ErrorKind | None:
        """
        Count a mailbox, and a nameplate, that may be about to be created.

        :param size: see `mailbox_bytes`.
        :return: why it may not be created; nothing is counted then.
        """
        if not self._shares.disk.has_room(now):
            return ErrorKind.DISK_FULL
        return self._shares.accounts.take_mailbox(self.block, size, now)

    def keep_mailbox(self, address: Address, nameplate: str | None, size: int) -> None:
        """What was taken has been created."""
        self._shares.accounts.keep_mailbox(self.block, address, nameplate, size)

    def give_mailbox_back(self, size: int, now: float) -> None:
        """What was taken has not been created."""
        self._shares.accounts.give_mailbox_back(self.block, size, now)

    def check_listeners(self, address: Address, side: str) -> None:
        """:raises Refusal: TOO_MANY_LISTENERS."""
        most = self._shares.listeners
        if most is not None and self._shares.subscriptions.count(address, side) >= most:
            raise Refusal(ErrorKind.TOO_MANY_LISTENERS)

    # Guesses.

    def allocated(self, nameplate: str) -> None:
        """The client was given this nameplate: to claim it is no guess."""
        self._own_nameplate = nameplate

    def delay(self, nameplate: str, now: float) -> float:
        """Return for how many seconds the claim of a nameplate has to wait."""
        if nameplate == self._own_nameplate:
            return 0.0
        return self._shares.guesses.delay(self.block, now)

    def joined(self) -> None:
        """The client has become the second side of a nameplate."""
        self._guessing = self._silent = True

    def guessed(self, now: float) -> None:
        """The client has made a wrong guess. It is counted once, however it shows."""
        self._silent = False
        self._shares.guesses.wrong(self.block, now)

    def closed_scary(self, now: float) -> None:
        """The client has met a wrong password: as second side, it was the one that guessed."""
        if self._guessing:
            self._guessing = False
            self.guessed(now)

    def lost(self, now: float) -> None:
        """The connection is gone: a second side that leaves without a message has guessed."""
        if self._silent:
            self.guessed(now)
