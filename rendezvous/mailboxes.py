"""
The rules of nameplates and mailboxes, each a function over one database transaction.

Owns who may claim, release, open, add and close, and what goes when. Nothing here commits, and nothing
here knows of connections. A refusal is an answer like any other: what a rule wrote before it raised one
stays written, so a rule looks first and writes then. The rules are PROTOCOL's; in short:

- a nameplate and a mailbox have two sides at most; a third is refused and changes nothing for the two;
- whatever a side repeats, as it does after every reconnect, has the answer that it had before;
- a nameplate goes when all who claimed it have released it, a mailbox, with its messages and the nameplate
  that still points to it, when all who opened it have closed it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import attrs
import sqlalchemy as sa

from rendezvous import schema
from rendezvous.errors import ErrorKind, Refusal
from rendezvous.messages import StoredMessage
from rendezvous.moods import Mood, mood_of_client, mood_of_mailbox
from rendezvous.requests import Added, Claimed, Closed, Page, Released
from rendezvous.statements import Statement, Transaction, prepare
from rendezvous.usage import Usage

# One page of a replay: what is read in one transaction and waits for one client at most.
PAGE_MESSAGES = 100
PAGE_BYTES = 256 * 1024
# A second use within this time is not worth a write of its own.
TOUCH_SECONDS = 1.0
# As many messages go in one stroke; the rest of a larger mailbox in steps of expiry.
MAX_DELETE_MESSAGES = 500

_P = sa.bindparam
_N, _M, _S = schema.nameplates, schema.mailboxes, schema.messages


@attrs.frozen
class Nameplate:
    """A row of `nameplates`."""

    id: int
    app: str
    name: str
    mailbox: str
    first_side: str
    first_released: bool
    second_side: str | None
    second_released: bool
    second_came: float | None
    crowded: bool
    created: float
    used: float


@attrs.frozen
class Mailbox:
    """A row of `mailboxes`."""

    id: int
    app: str
    mailbox: str
    nameplate: str | None
    first_side: str
    first_open: bool
    first_mood: str | None
    second_side: str | None
    second_open: bool
    second_mood: str | None
    second_came: float | None
    crowded: bool
    latest: int
    created: float
    used: float


def _columns(table: sa.Table, row: type[attrs.AttrsInstance]) -> list[sa.Column[Any]]:
    return [table.c[field.name] for field in attrs.fields(row)]


_this_nameplate = (
    _N.c.app == _P("the_app"),
    _N.c.digits == _P("the_digits"),
    _N.c.name == _P("the_name"),
)
_this_mailbox = (_M.c.app == _P("the_app"), _M.c.mailbox == _P("the_mailbox"))
SELECT_NAMEPLATE = sa.select(*_columns(_N, Nameplate))
SELECT_MAILBOX = sa.select(*_columns(_M, Mailbox))
_GET_NAMEPLATE = prepare(SELECT_NAMEPLATE.where(*_this_nameplate).with_for_update())
_GET_MAILBOX = prepare(SELECT_MAILBOX.where(*_this_mailbox).with_for_update())
_NEW_NAMEPLATE = prepare(
    sa.insert(_N)
    .values(
        app=_P("the_app"),
        digits=_P("the_digits"),
        name=_P("the_name"),
        mailbox=_P("the_mailbox"),
        first_side=_P("the_side"),
        first_released=sa.false(),
        second_released=sa.false(),
        crowded=sa.false(),
        created=_P("now"),
        used=_P("now"),
    )
    .inline()
)
_NEW_MAILBOX = prepare(
    sa.insert(_M)
    .values(
        app=_P("the_app"),
        mailbox=_P("the_mailbox"),
        nameplate=_P("the_name"),
        first_side=_P("the_side"),
        first_open=sa.true(),
        second_open=sa.false(),
        crowded=sa.false(),
        latest=sa.literal_column("0"),
        created=_P("now"),
        used=_P("now"),
    )
    .inline()
)


def _update(table: sa.Table, **values: Any) -> Statement:
    return prepare(sa.update(table).where(table.c.id == _P("the_id")).values(**values))


_JOIN_NAMEPLATE = _update(_N, second_side=_P("the_side"), second_came=_P("now"), used=_P("now"))
_TOUCH_NAMEPLATE = _update(_N, used=_P("now"))
_CROWD_NAMEPLATE = _update(_N, crowded=sa.true())
_FIRST_RELEASED = _update(_N, first_released=sa.true(), used=_P("now"))
_SECOND_RELEASED = _update(_N, second_released=sa.true(), used=_P("now"))
_DELETE_NAMEPLATE = prepare(sa.delete(_N).where(_N.c.id == _P("the_id")))
_JOIN_MAILBOX = _update(
    _M, second_side=_P("the_side"), second_open=sa.true(), second_came=_P("now"), used=_P("now")
)
_TOUCH_MAILBOX = _update(_M, used=_P("now"))
_CROWD_MAILBOX = _update(_M, crowded=sa.true())
_FIRST_OPEN = _update(_M, first_open=sa.true(), first_mood=sa.null(), used=_P("now"))
_SECOND_OPEN = _update(_M, second_open=sa.true(), second_mood=sa.null(), used=_P("now"))
_FIRST_CLOSED = _update(_M, first_open=sa.false(), first_mood=_P("the_mood"), used=_P("now"))
_SECOND_CLOSED = _update(_M, second_open=sa.false(), second_mood=_P("the_mood"), used=_P("now"))
_DELETE_MAILBOX = prepare(sa.delete(_M).where(_M.c.id == _P("the_id")))
_DELETE_MESSAGES = prepare(sa.delete(_S).where(_S.c.mailbox_id == _P("the_id")))
_DISCARD_MAILBOX = prepare(
    sa.insert(schema.discarded_mailboxes).values(mailbox_id=_P("the_id")).inline()
)
# The row stays locked until the commit: two who add to one mailbox get their numbers in the order of
# their commits, on whichever instance.
_NEXT_NUMBER = prepare(
    sa.update(_M)
    .where(
        *_this_mailbox,
        sa.or_(
            sa.and_(_M.c.first_side == _P("the_side"), _M.c.first_open),
            sa.and_(_M.c.second_side == _P("the_side"), _M.c.second_open),
        ),
    )
    .values(latest=_M.c.latest + sa.literal_column("1"))
    .returning(_M.c.id, _M.c.latest)
)
_NEW_MESSAGE = prepare(
    sa.insert(_S)
    .values(
        mailbox_id=_P("the_id"),
        number=_P("the_number"),
        side=_P("the_side"),
        phase=_P("the_phase"),
        body=_P("the_body"),
        message_id=_P("the_message_id"),
        received=_P("now"),
    )
    .inline()
)
_READ_MESSAGES = prepare(
    sa.select(*_columns(_S, StoredMessage))
    .where(_S.c.mailbox_id == _P("the_id"), _S.c.number >= _P("the_number"))
    .order_by(_S.c.number)
    .limit(PAGE_MESSAGES)
)
_NAMES = prepare(
    sa.select(_N.c.name)
    .where(_N.c.app == _P("the_app"))
    .order_by(_N.c.digits)
    .limit(_P("the_most"))
)


def list_nameplates(tx: Transaction, app: str, at_most: int) -> list[str]:
    """The nameplates of an application, the shortest first."""
    return [name for (name,) in tx.all(_NAMES, the_app=app, the_most=at_most)]


def claim(
    tx: Transaction, app: str, side: str, name: str, new_mailbox: Callable[[], str], now: float
) -> Claimed:
    """
    Let `side` have the nameplate, making it and its mailbox where it is new.

    :raises Refusal: CROWDED, two other sides have it; RECLAIMED, this side has released it before.
    """
    plate = get_nameplate(tx, app, name)
    if plate is None:
        return claim_free(tx, app, side, name, new_mailbox(), now)
    if side == plate.first_side:
        released = plate.first_released
    elif side == plate.second_side:
        released = plate.second_released
    elif plate.second_side is None:
        enter(tx, app, side, plate.mailbox, now)
        tx.run(_JOIN_NAMEPLATE, the_id=plate.id, the_side=side, now=now)
        return Claimed(name, plate.mailbox)
    else:
        if not plate.crowded:
            tx.run(_CROWD_NAMEPLATE, the_id=plate.id)
        raise Refusal(ErrorKind.CROWDED)
    if released:
        raise Refusal(ErrorKind.RECLAIMED)
    if now - plate.used >= TOUCH_SECONDS:
        tx.run(_TOUCH_NAMEPLATE, the_id=plate.id, now=now)
    return Claimed(name, plate.mailbox)


def claim_free(
    tx: Transaction, app: str, side: str, name: str, mailbox: str, now: float
) -> Claimed:
    """Make a nameplate that does not exist yet, and its mailbox, with `side` in both."""
    tx.run(
        _NEW_NAMEPLATE,
        the_app=app,
        the_digits=len(name),
        the_name=name,
        the_mailbox=mailbox,
        the_side=side,
        now=now,
    )
    _new_mailbox(tx, app, side, mailbox, name, now)
    return Claimed(name, mailbox)


def release(tx: Transaction, app: str, side: str, name: str, usage: Usage, now: float) -> Released:
    """Take `side` out of the nameplate; the last one out takes the nameplate along."""
    plate = get_nameplate(tx, app, name)
    if plate is None or side not in (plate.first_side, plate.second_side):
        return Released()
    first = plate.first_released or side == plate.first_side
    second = plate.second_side is None or plate.second_released or side == plate.second_side
    if first and second:
        return Released(retire_nameplate(tx, plate, usage, now))
    if side == plate.first_side:
        if not plate.first_released:
            tx.run(_FIRST_RELEASED, the_id=plate.id, now=now)
    elif not plate.second_released:
        tx.run(_SECOND_RELEASED, the_id=plate.id, now=now)
    return Released()


def enter(tx: Transaction, app: str, side: str, mailbox: str, now: float) -> Mailbox | None:
    """
    Let `side` take part in the mailbox, making it where it is new.

    :return: the mailbox as it was before; None where it is new.
    :raises Refusal: CROWDED, two other sides have it.
    """
    box = get_mailbox(tx, app, mailbox)
    if box is None:
        _new_mailbox(tx, app, side, mailbox, None, now)
    elif side == box.first_side:
        if not box.first_open:
            tx.run(_FIRST_OPEN, the_id=box.id, now=now)
        elif now - box.used >= TOUCH_SECONDS:
            tx.run(_TOUCH_MAILBOX, the_id=box.id, now=now)
    elif side == box.second_side:
        if not box.second_open:
            tx.run(_SECOND_OPEN, the_id=box.id, now=now)
        elif now - box.used >= TOUCH_SECONDS:
            tx.run(_TOUCH_MAILBOX, the_id=box.id, now=now)
    elif box.second_side is None:
        tx.run(_JOIN_MAILBOX, the_id=box.id, the_side=side, now=now)
    else:
        _crowd(tx, box)
    return box


def open_mailbox(tx: Transaction, app: str, side: str, mailbox: str, now: float) -> Page:
    """
    Let `side` take part, and give it the first page of what is stored.

    :raises Refusal: CROWDED, two other sides have it.
    """
    box = enter(tx, app, side, mailbox, now)
    if box is None or not box.latest:
        return Page([], 0)
    return Page(_read(tx, box.id, 1), box.latest)


def read_page(tx: Transaction, app: str, mailbox: str, number: int) -> Page:
    """A page of messages from `number` on; an empty one where the mailbox is gone."""
    box = get_mailbox(tx, app, mailbox)
    if box is None:
        return Page([], 0)
    return Page(_read(tx, box.id, number), box.latest)


def add(
    tx: Transaction,
    app: str,
    side: str,
    mailbox: str,
    phase: str,
    body: str,
    message_id: str,
    received: float,
) -> Added:
    """
    Store a message behind all others.

    :param message_id: JSON.
    :raises Refusal: ADD_BEFORE_OPEN, `side` does not have the mailbox open.
    """
    row = tx.one(_NEXT_NUMBER, the_app=app, the_mailbox=mailbox, the_side=side)
    if row is None:
        raise Refusal(ErrorKind.ADD_BEFORE_OPEN)
    mailbox_id, number = row
    tx.run(
        _NEW_MESSAGE,
        the_id=mailbox_id,
        the_number=number,
        the_side=side,
        the_phase=phase,
        the_body=body,
        the_message_id=message_id,
        now=received,
    )
    return Added(StoredMessage(number, side, phase, body, message_id, received))


def close(
    tx: Transaction, app: str, side: str, mailbox: str, mood: str | None, usage: Usage, now: float
) -> Closed:
    """
    Take `side` out of the mailbox; the last one out takes it along.

    :param mood: as the client says it.
    :raises Refusal: CROWDED, two other sides have it.
    """
    box = get_mailbox(tx, app, mailbox)
    if box is None:
        return Closed()
    said = mood_of_client(mood).value
    if side == box.first_side:
        if not box.first_open:
            return Closed()
        box = attrs.evolve(box, first_open=False, first_mood=said)
        leave = _FIRST_CLOSED
    elif side == box.second_side:
        if not box.second_open:
            return Closed()
        box = attrs.evolve(box, second_open=False, second_mood=said)
        leave = _SECOND_CLOSED
    elif box.second_side is None:
        return Closed()
    else:
        _crowd(tx, box)
    if box.first_open or box.second_open:
        tx.run(leave, the_id=box.id, the_mood=said, now=now)
        return Closed()
    two = box.second_side is not None
    how = mood_of_mailbox(box.first_mood, box.second_mood, two=two, crowded=box.crowded)
    return retire_mailbox(tx, box, how, usage, now)


def retire_nameplate(
    tx: Transaction, plate: Nameplate, usage: Usage, now: float, mood: Mood | None = None
) -> Mood:
    """Remove a nameplate and record how it ended; `mood` only where it did not end by itself."""
    tx.run(_DELETE_NAMEPLATE, the_id=plate.id)
    if mood is None:
        mood = Mood.HAPPY if plate.second_side is not None else Mood.LONELY
        if plate.crowded:
            mood = Mood.CROWDED
    usage.nameplate_retired(tx, plate.app, mood, plate.created, plate.second_came, now)
    return mood


def retire_mailbox(tx: Transaction, box: Mailbox, mood: Mood, usage: Usage, now: float) -> Closed:
    """Remove a mailbox with its messages and the nameplate that still points to it."""
    nameplate_mood = None
    if box.nameplate is not None:
        plate = get_nameplate(tx, box.app, box.nameplate)
        # By now the name may lead elsewhere.
        if plate is not None and plate.mailbox == box.mailbox:
            forced = mood if mood is Mood.PRUNEY else None
            nameplate_mood = retire_nameplate(tx, plate, usage, now, forced)
    if box.latest > MAX_DELETE_MESSAGES:
        tx.run(_DISCARD_MAILBOX, the_id=box.id)
    elif box.latest:
        tx.run(_DELETE_MESSAGES, the_id=box.id)
    tx.run(_DELETE_MAILBOX, the_id=box.id)
    named = box.nameplate is not None
    usage.mailbox_retired(tx, box.app, mood, box.created, box.second_came, now, nameplate=named)
    return Closed(mood, nameplate_mood)


def get_nameplate(tx: Transaction, app: str, name: str) -> Nameplate | None:
    """The nameplate, locked until the commit where the database can lock rows."""
    row = tx.one(_GET_NAMEPLATE, the_app=app, the_digits=len(name), the_name=name)
    return None if row is None else Nameplate(*row)


def get_mailbox(tx: Transaction, app: str, mailbox: str) -> Mailbox | None:
    """The mailbox, locked until the commit where the database can lock rows."""
    row = tx.one(_GET_MAILBOX, the_app=app, the_mailbox=mailbox)
    return None if row is None else Mailbox(*row)


def _new_mailbox(
    tx: Transaction, app: str, side: str, mailbox: str, name: str | None, now: float
) -> None:
    tx.run(_NEW_MAILBOX, the_app=app, the_mailbox=mailbox, the_name=name, the_side=side, now=now)


def _crowd(tx: Transaction, box: Mailbox) -> NoReturn:
    if not box.crowded:
        tx.run(_CROWD_MAILBOX, the_id=box.id)
    raise Refusal(ErrorKind.CROWDED)


def _read(tx: Transaction, mailbox_id: int, number: int) -> list[StoredMessage]:
    page: list[StoredMessage] = []
    room = PAGE_BYTES
    for row in tx.each(_READ_MESSAGES, the_id=mailbox_id, the_number=number):
        message = StoredMessage(*row)
        page.append(message)
        room -= len(message.body)
        if room <= 0:
            break
    return page
