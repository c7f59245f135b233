"""
A request becomes an operation on the ledger, with the keys that it takes turns on.

Owns the way from the values of `requests` to the rules of `mailboxes`, and what the rules depend on
besides the database: randomness, limits, how usage is recorded.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Sequence
from functools import partial

import attrs

from rendezvous import mailboxes, requests
from rendezvous.allocation import Allocator
from rendezvous.errors import ErrorKind, Refusal
from rendezvous.keys import mailbox_key, nameplate_key
from rendezvous.messages import MAX_LIST_BYTES
from rendezvous.requests import Claimed, Nameplates, Request, Result
from rendezvous.statements import Transaction
from rendezvous.usage import Usage

# Names that others are just taking before allocation gives up: more than one batch of theirs may hold.
_ALLOCATION_TRIES = 250
# The shortest entry of a list is {"id":"1"} and a comma.
_MAX_LISTED = MAX_LIST_BYTES // 11


def new_mailbox_id() -> str:
    """13 characters of base32, 64 random bits."""
    return base64.b32encode(secrets.token_bytes(8)).decode().rstrip("=").lower()


@attrs.frozen
class Operations:
    """
    Makes operations.

    :ivar list_allowed: whether `list` tells anything.
    """

    usage: Usage
    allocator: Allocator = attrs.field(factory=lambda: Allocator(secrets.randbelow))
    list_allowed: bool = True

    def of(
        self, request: Request, now: float
    ) -> tuple[Callable[[Transaction], Result], Sequence[str]]:
        """The operation that carries out `request`, and its keys."""
        match request:
            case requests.AddMessage(app, side, mailbox, phase, body, message_id, received):
                keys = (mailbox_key(app, mailbox),)
                return (
                    partial(
                        mailboxes.add,
                        app=app,
                        side=side,
                        mailbox=mailbox,
                        phase=phase,
                        body=body,
                        message_id=message_id,
                        received=received,
                    ),
                    keys,
                )
            case requests.OpenMailbox(app, side, mailbox):
                keys = (mailbox_key(app, mailbox),)
                opening = partial(
                    mailboxes.open_mailbox, app=app, side=side, mailbox=mailbox, now=now
                )
                return opening, keys
            case requests.ClaimNameplate(app, side, nameplate):
                claiming = partial(
                    mailboxes.claim,
                    app=app,
                    side=side,
                    name=nameplate,
                    new_mailbox=new_mailbox_id,
                    now=now,
                )
                return claiming, (nameplate_key(app, nameplate),)
            case requests.ReleaseNameplate(app, side, nameplate):
                releasing = partial(
                    mailboxes.release, app=app, side=side, name=nameplate, usage=self.usage, now=now
                )
                return releasing, (nameplate_key(app, nameplate),)
            case requests.CloseMailbox(app, side, mailbox, mood):
                closing = partial(
                    mailboxes.close,
                    app=app,
                    side=side,
                    mailbox=mailbox,
                    mood=mood,
                    usage=self.usage,
                    now=now,
                )
                return closing, (mailbox_key(app, mailbox),)
            case requests.AllocateNameplate(app, side):
                return partial(self._allocate, app=app, side=side, now=now), ()
            case requests.ListNameplates(app):
                return partial(self._list, app=app), ()

    def _allocate(self, tx: Transaction, app: str, side: str, now: float) -> Claimed:
        passed_over: set[str] = set()
        for _ in range(_ALLOCATION_TRIES):
            name = self.allocator.find(tx, app, now, passed_over)
            # Another transaction may be taking it, or have taken it since it was found.
            ours = tx.try_lock(nameplate_key(app, name))
            if ours and (tx.alone or mailboxes.get_nameplate(tx, app, name) is None):
                return mailboxes.claim_free(tx, app, side, name, new_mailbox_id(), now)
            passed_over.add(name)
        raise Refusal(ErrorKind.NO_NAMEPLATE_FREE)

    def _list(self, tx: Transaction, app: str) -> Nameplates:
        if not self.list_allowed:
            return Nameplates([])
        return Nameplates(mailboxes.list_nameplates(tx, app, _MAX_LISTED))
