"""
The rules of nameplates and mailboxes, each a function over one database transaction.

Owns who may claim, release, open, add and close, and what goes when. Nothing here commits, and nothing
here knows of connections. A refusal is an answer like any other: what a rule wrote before it raised one
stays written, so a rule looks first and writes then. docs/protocol.md tells the rules; in short:

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
from rendezvous.keys import mailbox_key, nameplate_key
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
        created=_P("now"),
        used=_P("now"),
    )
    .inline()
)


_MAILBOX_COLUMNS = len(attrs.fields(Mailbox))


def _update(table: sa.Table, **values: Any) -> Statement:
    return prepare(sa.update(table).where(table.c.id == _P("the_id")).values(**values))


_JOIN_NAMEPLATE = _update(_N, second_side=_P("the_side"), second_came=_P("now"), used=_P("now"))
_TOUCH_NAMEPLATE = _update(_N, used=_P("now"))
_CROWD_NAMEPLATE = _update(_N, crowded=sa.true())
_RELEASE = prepare(
    sa.update(_N)
    .where(
        *_this_nameplate,
        sa.or_(_N.c.first_side == _P("the_side"), _N.c.second_side == _P("the_side")),
    )
    .values(
        first_released=sa.or_(_N.c.first_released, _N.c.first_side == _P("the_side")),
        second_released=sa.or_(
            _N.c.second_released,
            sa.func.coalesce(_N.c.second_side == _P("the_side"), sa.false()),
        ),
        used=_P("now"),
    )
    .returning(*_columns(_N, Nameplate))
)
_DELETE_NAMEPLATE = prepare(sa.delete(_N).where(_N.c.id == _P("the_id")))
_JOIN_MAILBOX = _update(
    _M, second_side=_P("the_side"), second_open=sa.true(), second_came=_P("now"), used=_P("now")
)
_JOIN_AS_SECOND = prepare(
    sa.update(_M)
    .where(*_this_mailbox, _M.c.second_side.is_(None), _M.c.first_side != _P("the_side"))
    .values(
        second_side=_P("the_side"), second_open=sa.true(), second_came=_P("now"), used=_P("now")
    )
)
_TOUCH_MAILBOX = _update(_M, used=_P("now"))
_CROWD_MAILBOX = _update(_M, crowded=sa.true())
_FIRST_OPEN = _update(_M, first_open=sa.true(), first_mood=sa.null(), used=_P("now"))
_SECOND_OPEN = _update(_M, second_open=sa.true(), second_mood=sa.null(), used=_P("now"))
_first_closes = sa.and_(_M.c.first_side == _P("the_side"), _M.c.first_open)
_second_closes = sa.and_(
    sa.func.coalesce(_M.c.second_side == _P("the_side"), sa.false()), _M.c.second_open
)
_newest_number = sa.func.coalesce(sa.func.max(_S.c.number), sa.literal_column("0"))
_newest = sa.select(_newest_number).where(_S.c.mailbox_id == _M.c.id)
_NEWEST = prepare(sa.select(_newest_number).where(_S.c.mailbox_id == _P("the_id")))
_CLOSE = prepare(
    sa.update(_M)
    .where(*_this_mailbox, sa.or_(_first_closes, _second_closes))
    .values(
        first_open=sa.and_(_M.c.first_open, sa.not_(_first_closes)),
        first_mood=sa.case((_first_closes, _P("the_mood")), else_=_M.c.first_mood),
        second_open=sa.and_(_M.c.second_open, sa.not_(_second_closes)),
        second_mood=sa.case((_second_closes, _P("the_mood")), else_=_M.c.second_mood),
        used=_P("now"),
    )
    .returning(
        *_columns(_M, Mailbox),
        # Whether the nameplate still leads here.
        sa.select(sa.func.count())
        .select_from(_N)
        .where(
            _N.c.app == _M.c.app,
            _N.c.digits == sa.func.length(_M.c.nameplate),
            _N.c.name == _M.c.nameplate,
            _N.c.mailbox == _M.c.mailbox,
        )
        .scalar_subquery(),
        _newest.scalar_subquery(),
    )
)
_DELETE_MAILBOX = prepare(sa.delete(_M).where(_M.c.id == _P("the_id")))
_DELETE_MESSAGES = prepare(
    sa.delete(_S).where(_S.c.mailbox_id == _P("the_id"), _S.c.number <= MAX_DELETE_MESSAGES)
)
_DISCARD_MAILBOX = prepare(
    sa.insert(schema.discarded_mailboxes).values(mailbox_id=_P("the_id")).inline()
)
# One statement, for it runs ten times in an exchange. Whoever adds has the mailbox's turn until the commit
# (see `operations`), so that numbers follow the order of the commits on whichever instance.
_next_number = _newest.scalar_subquery() + sa.literal_column("1")
_NEW_MESSAGE = prepare(
    sa.insert(_S)
    .from_select(
        ["mailbox_id", "number", "side", "phase", "body", "message_id", "received"],
        sa.select(
            _M.c.id,
            _next_number,
            sa.cast(_P("the_side"), sa.Text),
            sa.cast(_P("the_phase"), sa.Text),
            sa.cast(_P("the_body"), sa.Text),
            sa.cast(_P("the_message_id"), sa.Text),
            sa.cast(_P("now"), sa.Double),
        ).where(
            *_this_mailbox,
            sa.or_(
                sa.and_(_M.c.first_side == _P("the_side"), _M.c.first_open),
                sa.and_(_M.c.second_side == _P("the_side"), _M.c.second_open),
            ),
        ),
    )
    .returning(_S.c.mailbox_id, _S.c.number)
)
_page = (
    sa.select(*_columns(_M, Mailbox), *_columns(_S, StoredMessage))
    .join_from(
        _M, _S, sa.and_(_S.c.mailbox_id == _M.c.id, _S.c.number >= _P("the_number")), isouter=True
    )
    .where(*_this_mailbox)
    .order_by(_S.c.number)
    # One more tells whether there are more.
    .limit(PAGE_MESSAGES + 1)
)
_OPEN = prepare(_page.with_for_update(of=_M))
# Waits for nobody: numbers become visible in their order.
_PAGE = prepare(_page)
_NAMES = prepare(
    sa.select(_N.c.name)
    .where(_N.c.app == _P("the_app"))
    .order_by(_N.c.digits, _N.c.name)
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
        tx.take(mailbox_key(app, plate.mailbox))
        joined = tx.count(
            _JOIN_AS_SECOND, the_app=app, the_mailbox=plate.mailbox, the_side=side, now=now
        )
        if not joined:
            # Somebody has opened it without the nameplate.
            box = get_mailbox(tx, app, plate.mailbox)
            _enter(tx, box, app, side, plate.mailbox, now)
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
    row = tx.one(_RELEASE, the_app=app, the_digits=len(name), the_name=name, the_side=side, now=now)
    if row is None:
        return Released()
    plate = Nameplate(*row)
    if plate.first_released and (plate.second_side is None or plate.second_released):
        return Released(retire_nameplate(tx, plate, usage, now))
    return Released()


def _enter(
    tx: Transaction, box: Mailbox | None, app: str, side: str, mailbox: str, now: float
) -> None:
    """
    Let `side` take part in the mailbox, which is `box` where it is there already.

    :raises Refusal: CROWDED, two other sides have it.
    """
    if box is None:
        _new_mailbox(tx, app, side, mailbox, None, now)
    elif side in (box.first_side, box.second_side):
        first = side == box.first_side
        if not (box.first_open if first else box.second_open):
            tx.run(_FIRST_OPEN if first else _SECOND_OPEN, the_id=box.id, now=now)
        elif now - box.used >= TOUCH_SECONDS:
            tx.run(_TOUCH_MAILBOX, the_id=box.id, now=now)
    elif box.second_side is None:
        tx.run(_JOIN_MAILBOX, the_id=box.id, the_side=side, now=now)
    else:
        _crowd(tx, box)


def open_mailbox(tx: Transaction, app: str, side: str, mailbox: str, now: float) -> Page:
    """
    Let `side` take part, and give it the first page of what is stored.

    :raises Refusal: CROWDED, two other sides have it.
    """
    box, page = _look_into(tx, _OPEN, app, mailbox, 1)
    _enter(tx, box, app, side, mailbox, now)
    return page


def read_page(tx: Transaction, app: str, mailbox: str, number: int) -> Page:
    """A page of messages from `number` on; an empty one where the mailbox is gone."""
    return _look_into(tx, _PAGE, app, mailbox, number)[1]


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
    row = tx.last(
        _NEW_MESSAGE,
        the_app=app,
        the_mailbox=mailbox,
        the_side=side,
        the_phase=phase,
        the_body=body,
        the_message_id=message_id,
        now=received,
    )
    if row is None:
        raise Refusal(ErrorKind.ADD_BEFORE_OPEN)
    box, number = row
    tx.news[mailbox_key(app, mailbox)] = box, number
    return Added(StoredMessage(number, side, phase, body, message_id, received), box)


def close(
    tx: Transaction, app: str, side: str, mailbox: str, mood: str | None, usage: Usage, now: float
) -> Closed:
    """
    Take `side` out of the mailbox; the last one out takes it along.

    :param mood: as the client says it.
    :raises Refusal: CROWDED, two other sides have it.
    """
    row = tx.one(
        _CLOSE,
        the_app=app,
        the_mailbox=mailbox,
        the_side=side,
        the_mood=mood_of_client(mood).value,
        now=now,
    )
    if row is None:
        return _close_as_stranger(tx, app, side, mailbox)
    *values, has_nameplate, newest = row
    box = Mailbox(*values)
    if box.first_open or box.second_open:
        return Closed()
    two = box.second_side is not None
    how = mood_of_mailbox(box.first_mood, box.second_mood, two=two, crowded=box.crowded)
    return retire_mailbox(
        tx, box, how, usage, now, has_nameplate=bool(has_nameplate), newest=newest
    )


def _close_as_stranger(tx: Transaction, app: str, side: str, mailbox: str) -> Closed:
    """There is nothing that `side` has open; only one that could not have had it is refused."""
    box = get_mailbox(tx, app, mailbox)
    if (
        box is not None
        and box.second_side is not None
        and side not in (box.first_side, box.second_side)
    ):
        _crowd(tx, box)
    return Closed()


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


def retire_mailbox(
    tx: Transaction,
    box: Mailbox,
    mood: Mood,
    usage: Usage,
    now: float,
    *,
    has_nameplate: bool = True,
    newest: int | None = None,
) -> Closed:
    """
    Remove a mailbox with its messages and the nameplate that still points to it.

    :param has_nameplate: False where it is known that none does.
    :param newest: the number of its newest message, where it is known.
    """
    nameplate_mood = None
    if box.nameplate is not None and has_nameplate:
        tx.take(nameplate_key(box.app, box.nameplate))
        plate = get_nameplate(tx, box.app, box.nameplate)
        # By now the name may lead elsewhere.
        if plate is not None and plate.mailbox == box.mailbox:
            forced = mood if mood is Mood.PRUNEY else None
            nameplate_mood = retire_nameplate(tx, plate, usage, now, forced)
    if newest is None:
        newest = (tx.one(_NEWEST, the_id=box.id) or (0,))[0]
    tx.run(_DELETE_MESSAGES, the_id=box.id)
    if newest > MAX_DELETE_MESSAGES:
        tx.run(_DISCARD_MAILBOX, the_id=box.id)
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


def _look_into(
    tx: Transaction, statement: Statement, app: str, mailbox: str, number: int
) -> tuple[Mailbox | None, Page]:
    """The mailbox, and the page of its messages that begins with `number`."""
    box = None
    messages: list[StoredMessage] = []
    room = PAGE_BYTES
    for row in tx.each(statement, the_app=app, the_mailbox=mailbox, the_number=number):
        if box is None:
            box = Mailbox(*row[:_MAILBOX_COLUMNS])
            if row[_MAILBOX_COLUMNS] is None:
                break
        message = StoredMessage(*row[_MAILBOX_COLUMNS:])
        if room <= 0 or len(messages) == PAGE_MESSAGES:
            # There are more than the page takes.
            return box, Page(messages, message.number, box.id)
        messages.append(message)
        room -= len(message.body)
    latest = messages[-1].number if messages else 0
    return box, Page(messages, latest, 0 if box is None else box.id)
