"""
The rules of nameplates: who may allocate, claim and release one, and when it is removed.

A nameplate has two sides at most; a third is refused, and nothing changes for the two. A side that repeats a
command, as clients do after every reconnect, gets the same answer again. A nameplate is removed when every
side that claimed it has released it. docs/protocol.md has the rules in full.

A refusal is a result like any other: what a rule wrote before it raised one is committed, so a rule reads
first and writes then.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable

import attrs

from rendezvous.errors import ErrorKind, Refusal
from rendezvous.ledger.keys import mailbox_key, nameplate_key
from rendezvous.ledger.transaction import Transaction
from rendezvous.protocol.moods import Retired
from rendezvous.rules.allocation import Allocator
from rendezvous.rules.mailboxes import TOUCH_SECONDS, create_mailbox, join_as_second
from rendezvous.rules.retirement import retire_nameplate
from rendezvous.rules.sql import nameplates as sql
from rendezvous.rules.sql.nameplates import Nameplate, get_nameplate
from rendezvous.rules.usage import Usage

# Names that other transactions are taking before allocation gives up: more than a batch of theirs may hold.
_ALLOCATION_TRIES = 250


@attrs.frozen
class Allocated:
    """A nameplate that was free, and the mailbox that it points to."""

    nameplate: str
    mailbox: str


@attrs.frozen
class Claimed:
    """
    A nameplate that a side has claimed.

    :ivar mailbox: the mailbox that it points to.
    :ivar created: whether the claim has created both.
    :ivar joined: whether the side has become the second one.
    """

    mailbox: str
    created: bool = False
    joined: bool = False


def new_mailbox_id() -> str:
    """Make a mailbox id: 64 random bits, in 13 characters of base32."""
    return base64.b32encode(secrets.token_bytes(8)).decode().rstrip("=").lower()


def list_nameplates(tx: Transaction, app: str, at_most: int) -> list[str]:
    """List the nameplates of an application that wait for their second side, the newest first."""
    return tx.all(sql.WAITING, the_app=app, the_most=at_most)


def allocate(
    tx: Transaction,
    app: str,
    side: str,
    allocator: Allocator,
    new_mailbox: Callable[[], str],
    now: float,
) -> Allocated:
    """
    Create a nameplate that was free, and claim it for `side`.

    :param new_mailbox: makes the id of its mailbox.
    :param now: seconds since the epoch.
    :raises Refusal: NO_NAMEPLATE_FREE; nothing has changed.
    """
    passed_over: set[str] = set()
    for _ in range(_ALLOCATION_TRIES):
        name = allocator.find(tx, app, now, passed_over)
        # Another transaction may be taking it, or have taken it since it was found.
        ours = tx.try_lock(nameplate_key(app, name))
        if ours and (tx.exclusive or get_nameplate(tx, app, name) is None):
            return Allocated(name, _create_nameplate(tx, app, side, name, new_mailbox(), now))
        passed_over.add(name)
    raise Refusal(ErrorKind.NO_NAMEPLATE_FREE)


def claim(
    tx: Transaction,
    app: str,
    side: str,
    name: str,
    new_mailbox: Callable[[], str],
    now: float,
    not_new: ErrorKind | None = None,
) -> Claimed:
    """
    Claim a nameplate for `side`, which opens its mailbox for that side; create both if it does not exist.

    :param new_mailbox: makes the id of a new mailbox.
    :param now: seconds since the epoch.
    :param not_new: why none may be created, if so.
    :raises Refusal: CROWDED, two other sides have claimed it; RECLAIMED, this side has released it before;
        `not_new`, it does not exist.
    """
    plate = get_nameplate(tx, app, name)
    if plate is None:
        if not_new is not None:
            raise Refusal(not_new)
        created = _create_nameplate(tx, app, side, name, new_mailbox(), now)
        return Claimed(created, created=True)
    if side == plate.first_side:
        _claim_again(tx, plate, now, released=plate.first_released)
    elif side == plate.second_side:
        _claim_again(tx, plate, now, released=plate.second_released)
    elif plate.second_side is None:
        tx.lock(mailbox_key(app, plate.mailbox))
        join_as_second(tx, app, side, plate.mailbox, now)
        tx.run(sql.JOIN, the_id=plate.id, the_side=side, now=now)
        return Claimed(plate.mailbox, joined=True)
    else:
        if not plate.crowded:
            tx.run(sql.MARK_CROWDED, the_id=plate.id)
        raise Refusal(ErrorKind.CROWDED)
    return Claimed(plate.mailbox)


def release(tx: Transaction, app: str, side: str, name: str, usage: Usage, now: float) -> Retired:
    """
    Release a nameplate for `side`, and remove it if no side holds it any more.

    :param now: seconds since the epoch.
    """
    plate = tx.one(
        sql.RELEASE, the_app=app, the_digits=len(name), the_name=name, the_side=side, now=now
    )
    if plate is None:
        return Retired()
    if plate.first_released and (plate.second_side is None or plate.second_released):
        return Retired(nameplate=retire_nameplate(tx, plate, usage, now))
    return Retired()


def _create_nameplate(
    tx: Transaction, app: str, side: str, name: str, mailbox: str, now: float
) -> str:
    tx.run(
        sql.INSERT,
        the_app=app,
        the_digits=len(name),
        the_name=name,
        the_mailbox=mailbox,
        the_side=side,
        now=now,
    )
    create_mailbox(tx, app, side, mailbox, name, now)
    return mailbox


def _claim_again(tx: Transaction, plate: Nameplate, now: float, *, released: bool) -> None:
    if released:
        raise Refusal(ErrorKind.RECLAIMED)
    if now - plate.used >= TOUCH_SECONDS:
        tx.run(sql.TOUCH, the_id=plate.id, now=now)
