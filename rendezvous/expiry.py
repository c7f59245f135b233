"""
What becomes of nameplates and mailboxes that nobody uses any more: rules over one transaction, in steps.

Owns what counts as use. A mailbox is in use while a client that has to do with it is connected, here or on
another instance; each instance says so by touching the rows from time to time. A nameplate is in use while
its mailbox is. Every step looks at a bounded number of rows, oldest first, through an index.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs
import sqlalchemy as sa

from rendezvous import schema
from rendezvous.keys import mailbox_key, nameplate_key
from rendezvous.mailboxes import (
    SELECT_MAILBOX,
    SELECT_NAMEPLATE,
    Mailbox,
    Nameplate,
    get_mailbox,
    retire_mailbox,
    retire_nameplate,
)
from rendezvous.moods import Mood
from rendezvous.requests import Closed, Released
from rendezvous.statements import Transaction, prepare
from rendezvous.usage import Usage

# Rows in one step: a few milliseconds on SQLite, where they run on the reactor's thread.
STEP_ROWS = 50
# Messages of a large mailbox that go in one step.
STEP_MESSAGES = 500

_P = sa.bindparam
_N, _M, _S, _D = schema.nameplates, schema.mailboxes, schema.messages, schema.discarded_mailboxes


@attrs.frozen
class Place:
    """Where a sweep has got to: rows before it have been looked at."""

    used: float = float("-inf")
    id: int = 0


@attrs.frozen
class Stale:
    """A row that nobody has used for long enough."""

    id: int
    used: float


def _stale(table: sa.Table) -> sa.Select[tuple[int, float]]:
    beyond = sa.or_(
        table.c.used > _P("the_used"),
        sa.and_(table.c.used == _P("the_used"), table.c.id > _P("the_id")),
    )
    return (
        sa.select(table.c.id, table.c.used)
        .where(table.c.used < _P("the_cutoff"), table.c.used >= _P("the_used"), beyond)
        .order_by(table.c.used, table.c.id)
        .limit(STEP_ROWS)
    )


_STALE_NAMEPLATES = prepare(_stale(_N))
_STALE_MAILBOXES = prepare(_stale(_M))
_NAMEPLATE = prepare(SELECT_NAMEPLATE.where(_N.c.id == _P("the_id")))
_MAILBOX = prepare(SELECT_MAILBOX.where(_M.c.id == _P("the_id")))
_TOUCH_NAMEPLATE = prepare(sa.update(_N).where(_N.c.id == _P("the_id")).values(used=_P("now")))
_TOUCH_MAILBOX = prepare(
    sa.update(_M)
    .where(_M.c.app == _P("the_app"), _M.c.mailbox == _P("the_mailbox"), _M.c.used < _P("now"))
    .values(used=_P("now"))
)
_DISCARDED = prepare(sa.select(_D.c.mailbox_id).limit(1))
_FIRST_LEFT = prepare(sa.select(sa.func.min(_S.c.number)).where(_S.c.mailbox_id == _P("the_id")))
_DELETE_LEFT = prepare(
    sa.delete(_S).where(_S.c.mailbox_id == _P("the_id"), _S.c.number < _P("the_number"))
)
_TIME = prepare(sa.select(sa.extract("epoch", sa.func.clock_timestamp())))
_FORGET_DISCARDED = prepare(sa.delete(_D).where(_D.c.mailbox_id == _P("the_id")))


def database_time(tx: Transaction) -> float:
    """The time of day where PostgreSQL runs, in seconds since the epoch."""
    row = tx.one(_TIME)
    return float(row[0]) if row else 0.0


def stale_nameplates(tx: Transaction, cutoff: float, place: Place) -> list[Stale]:
    """Up to `STEP_ROWS` nameplates last used before `cutoff`, from `place` on."""
    rows = tx.all(_STALE_NAMEPLATES, the_cutoff=cutoff, the_used=place.used, the_id=place.id)
    return [Stale(*row) for row in rows]


def stale_mailboxes(tx: Transaction, cutoff: float, place: Place) -> list[Stale]:
    """Up to `STEP_ROWS` mailboxes last used before `cutoff`, from `place` on."""
    rows = tx.all(_STALE_MAILBOXES, the_cutoff=cutoff, the_used=place.used, the_id=place.id)
    return [Stale(*row) for row in rows]


def expire_nameplate(
    tx: Transaction,
    row_id: int,
    cutoff: float,
    is_present: Callable[[tuple[str, str]], bool],
    usage: Usage,
    now: float,
) -> Released:
    """Remove the nameplate unless it, or its mailbox, has been in use since `cutoff`."""
    row = tx.one(_NAMEPLATE, the_id=row_id)
    if row is None:
        return Released()
    plate = Nameplate(*row)
    tx.take(nameplate_key(plate.app, plate.name))
    tx.take(mailbox_key(plate.app, plate.mailbox))
    # As it stands in our turn.
    row = tx.one(_NAMEPLATE, the_id=row_id)
    if row is None or Nameplate(*row).used >= cutoff:
        return Released()
    plate = Nameplate(*row)
    box = get_mailbox(tx, plate.app, plate.mailbox)
    used = now if is_present((plate.app, plate.mailbox)) else (box.used if box else plate.used)
    if used >= cutoff:
        tx.run(_TOUCH_NAMEPLATE, the_id=row_id, now=used)
        return Released()
    return Released(retire_nameplate(tx, plate, usage, now, Mood.PRUNEY))


def expire_mailbox(
    tx: Transaction,
    row_id: int,
    cutoff: float,
    is_present: Callable[[tuple[str, str]], bool],
    usage: Usage,
    now: float,
) -> Closed:
    """Remove the mailbox, with all that hangs on it, unless it has been in use since `cutoff`."""
    row = tx.one(_MAILBOX, the_id=row_id)
    if row is None:
        return Closed()
    box = Mailbox(*row)
    tx.take(mailbox_key(box.app, box.mailbox))
    # As it stands in our turn.
    row = tx.one(_MAILBOX, the_id=row_id)
    if row is None or Mailbox(*row).used >= cutoff:
        return Closed()
    box = Mailbox(*row)
    if is_present((box.app, box.mailbox)):
        tx.run(_TOUCH_MAILBOX, the_app=box.app, the_mailbox=box.mailbox, now=now)
        return Closed()
    return retire_mailbox(tx, box, Mood.PRUNEY, usage, now)


def touch_mailboxes(tx: Transaction, addresses: Sequence[tuple[str, str]], now: float) -> None:
    """A connected client has to do with each of these."""
    # In one order everywhere, so that two instances cannot block each other.
    rows = [
        {"the_app": app, "the_mailbox": mailbox, "now": now} for app, mailbox in sorted(addresses)
    ]
    tx.many(_TOUCH_MAILBOX, rows)


def empty_discarded(tx: Transaction) -> bool:
    """Delete some messages of a large mailbox that has gone; False where none is left."""
    found = tx.one(_DISCARDED)
    if found is None:
        return False
    (mailbox_id,) = found
    first = tx.one(_FIRST_LEFT, the_id=mailbox_id)
    if first is None or first[0] is None:
        tx.run(_FORGET_DISCARDED, the_id=mailbox_id)
    else:
        tx.run(_DELETE_LEFT, the_id=mailbox_id, the_number=first[0] + STEP_MESSAGES)
    return True


def _forget(table: sa.Table) -> sa.Delete:
    old = sa.select(table.c.id).where(table.c.started < _P("the_cutoff")).limit(STEP_ROWS * 10)
    return sa.delete(table).where(table.c.id.in_(old))


FORGET_USAGE = [
    prepare(_forget(table))
    for table in (schema.nameplate_usage, schema.mailbox_usage, schema.client_usage)
]


def forget_usage(tx: Transaction, cutoff: float) -> bool:
    """Delete some usage records from before `cutoff`; False where none is left."""
    return sum(tx.count(statement, the_cutoff=cutoff) for statement in FORGET_USAGE) > 0
