"""
The rules of mailboxes: who may open and close one, and when it is removed.

A mailbox has two sides at most; a third is refused, and nothing changes for the two. A side that repeats a
command, as clients do after every reconnect, gets the same answer again. A mailbox is removed when every
side that opened it has closed it. docs/protocol.md has the rules in full.

A refusal is a result like any other: what a rule wrote before it raised one is committed, so a rule reads
first and writes then.
"""

from __future__ import annotations

from typing import NoReturn

from rendezvous.errors import ErrorKind, Refusal
from rendezvous.ledger.transaction import Transaction
from rendezvous.protocol.moods import Retired, mood_of_client, mood_of_mailbox
from rendezvous.rules.messages import Page, read_for_update
from rendezvous.rules.retirement import retire_mailbox
from rendezvous.rules.sql import mailboxes as sql
from rendezvous.rules.sql.mailboxes import Mailbox, get_mailbox
from rendezvous.rules.usage import Usage

# A second use within this time is not worth a write.
TOUCH_SECONDS = 1.0


def create_mailbox(
    tx: Transaction, app: str, side: str, mailbox: str, nameplate: str | None, now: float
) -> None:
    """
    Create a mailbox that does not exist, and open it for `side`.

    :param nameplate: the nameplate that points to it, if it is created by a claim.
    :param now: seconds since the epoch.
    """
    tx.run(sql.INSERT, the_app=app, the_mailbox=mailbox, the_name=nameplate, the_side=side, now=now)


def join_as_second(tx: Transaction, app: str, side: str, mailbox: str, now: float) -> None:
    """
    Open a mailbox for `side`, which most likely is its second side.

    :raises Refusal: CROWDED, two other sides have opened it.
    """
    if not tx.count(sql.JOIN_AS_SECOND, the_app=app, the_mailbox=mailbox, the_side=side, now=now):
        # A side has opened it without the nameplate, or it has been removed.
        _join(tx, get_mailbox(tx, app, mailbox), app, side, mailbox, now)


def open_mailbox(
    tx: Transaction,
    app: str,
    side: str,
    mailbox: str,
    now: float,
    not_new: ErrorKind | None = None,
) -> Page:
    """
    Open a mailbox for `side`, and create it if it does not exist.

    :param now: seconds since the epoch.
    :param not_new: why none may be created, if so.
    :return: the first page of its messages.
    :raises Refusal: CROWDED, two other sides have opened it; `not_new`, it does not exist.
    """
    box, page = read_for_update(tx, app, mailbox)
    if box is None and not_new is not None:
        raise Refusal(not_new)
    _join(tx, box, app, side, mailbox, now)
    return page


def close_mailbox(
    tx: Transaction, app: str, side: str, mailbox: str, mood: str | None, usage: Usage, now: float
) -> Retired:
    """
    Close a mailbox for `side`, and remove it if no side has it open any more.

    :param mood: as the client sent it, if it sent one.
    :param now: seconds since the epoch.
    :raises Refusal: CROWDED, two other sides have opened it.
    """
    box = tx.one(
        sql.CLOSE,
        the_app=app,
        the_mailbox=mailbox,
        the_side=side,
        the_mood=mood_of_client(mood).value,
        now=now,
    )
    if box is None:
        return _close_unopened(tx, app, side, mailbox)
    if box.first_open or box.second_open:
        return Retired()
    two = box.second_side is not None
    ended = mood_of_mailbox(box.first_mood, box.second_mood, two=two, crowded=box.crowded)
    return retire_mailbox(
        tx, box, ended, usage, now, has_nameplate=bool(box.nameplates), newest=box.newest
    )


def _close_unopened(tx: Transaction, app: str, side: str, mailbox: str) -> Retired:
    """Close a mailbox that `side` does not have open: only a third side is refused."""
    box = get_mailbox(tx, app, mailbox)
    if (
        box is not None
        and box.second_side is not None
        and side not in (box.first_side, box.second_side)
    ):
        _refuse_third(tx, box)
    return Retired()


def _join(
    tx: Transaction, box: Mailbox | None, app: str, side: str, mailbox: str, now: float
) -> None:
    """Open the mailbox for `side`; `box` is its row, None if it does not exist."""
    if box is None:
        create_mailbox(tx, app, side, mailbox, None, now)
    elif side in (box.first_side, box.second_side):
        first = side == box.first_side
        if not (box.first_open if first else box.second_open):
            tx.run(sql.REOPEN_FIRST if first else sql.REOPEN_SECOND, the_id=box.id, now=now)
        elif now - box.used >= TOUCH_SECONDS:
            tx.run(sql.TOUCH, the_id=box.id, now=now)
    elif box.second_side is None:
        tx.run(sql.JOIN, the_id=box.id, the_side=side, now=now)
    else:
        _refuse_third(tx, box)


def _refuse_third(tx: Transaction, box: Mailbox) -> NoReturn:
    if not box.crowded:
        tx.run(sql.MARK_CROWDED, the_id=box.id)
    raise Refusal(ErrorKind.CROWDED)
