"""
The rules of expiry: how nameplates, mailboxes and usage records that are out of use are removed, in steps.

Owns what counts as use. A mailbox is in use while a client that claimed or opened it is connected, here or on
another instance; each instance touches the rows of its clients' mailboxes from time to time. A nameplate is
in use while its mailbox is. Every step reads a bounded number of rows, oldest first, through an index.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs
import sqlalchemy as sa

from rendezvous.ledger.keys import mailbox_key, nameplate_key
from rendezvous.ledger.statements import prepare, prepare_query, prepare_value
from rendezvous.ledger.transaction import Transaction
from rendezvous.protocol.moods import Mood, Retired
from rendezvous.rules import schema
from rendezvous.rules.retirement import retire_mailbox, retire_nameplate
from rendezvous.rules.sql import mailboxes, nameplates
from rendezvous.rules.sql.mailboxes import Mailbox, get_mailbox
from rendezvous.rules.sql.nameplates import Nameplate
from rendezvous.rules.usage import Usage

# Rows in one step: a few milliseconds on SQLite, where they run on the reactor's thread.
STEP_ROWS = 50
# Messages of a large mailbox that one step deletes.
STEP_MESSAGES = 500

_P = sa.bindparam
_N, _M, _S, _D = schema.nameplates, schema.mailboxes, schema.messages, schema.discarded_mailboxes


@attrs.frozen
class SweepPosition:
    """
    How far a sweep has got: it has read every row before this one.

    :ivar used: when the row was last used, seconds since the epoch.
    """

    used: float = float("-inf")
    id: int = 0


@attrs.frozen
class Stale:
    """
    A row that may have expired.

    :ivar used: when it was last used, seconds since the epoch.
    """

    id: int
    used: float


@attrs.frozen
class FoundMailbox:
    """
    A mailbox that exists.

    :ivar nameplate: the nameplate that points to it, if there is one.
    """

    mailbox: str
    nameplate: str | None


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


_STALE_NAMEPLATES = prepare_query(_stale(_N), Stale)
_STALE_MAILBOXES = prepare_query(_stale(_M), Stale)
_NAMEPLATE = prepare_query(nameplates.SELECT.where(_N.c.id == _P("the_id")), Nameplate)
_MAILBOX = prepare_query(mailboxes.SELECT.where(_M.c.id == _P("the_id")), Mailbox)
_TOUCH_NAMEPLATE = prepare(sa.update(_N).where(_N.c.id == _P("the_id")).values(used=_P("now")))
_TOUCH_MAILBOX = prepare(
    sa.update(_M)
    .where(_M.c.app == _P("the_app"), _M.c.mailbox == _P("the_mailbox"), _M.c.used < _P("now"))
    .values(used=_P("now"))
)
# Those of one application, each with the nameplate that points to it.
_FIND = prepare_query(
    sa.select(_M.c.mailbox, _N.c.name.label("nameplate"))
    .join_from(
        _M,
        _N,
        sa.and_(
            _N.c.app == _M.c.app,
            _N.c.digits == sa.func.length(_M.c.nameplate),
            _N.c.name == _M.c.nameplate,
            _N.c.mailbox == _M.c.mailbox,
        ),
        isouter=True,
    )
    .where(
        _M.c.app == _P("the_app"),
        _M.c.mailbox.in_([_P(f"the_mailbox_{i}") for i in range(STEP_ROWS)]),
    ),
    FoundMailbox,
)
_DISCARDED = prepare_value(sa.select(_D.c.mailbox_id).limit(1), int)
_FIRST_LEFT = prepare_value(
    sa.select(sa.func.min(_S.c.number)).where(_S.c.mailbox_id == _P("the_id")), int
)
_DELETE_LEFT = prepare(
    sa.delete(_S).where(_S.c.mailbox_id == _P("the_id"), _S.c.number < _P("the_number"))
)
_TIME = prepare_value(
    sa.select(sa.cast(sa.extract("epoch", sa.func.clock_timestamp()), sa.Double)), float
)
_FORGET_DISCARDED = prepare(sa.delete(_D).where(_D.c.mailbox_id == _P("the_id")))


def database_time(tx: Transaction) -> float:
    """Read the time of day of PostgreSQL's machine, in seconds since the epoch."""
    return tx.one(_TIME) or 0.0


def stale_nameplates(tx: Transaction, cutoff: float, place: SweepPosition) -> list[Stale]:
    """Find up to `STEP_ROWS` nameplates behind `place` that were last used before `cutoff`."""
    return tx.all(_STALE_NAMEPLATES, the_cutoff=cutoff, the_used=place.used, the_id=place.id)


def stale_mailboxes(tx: Transaction, cutoff: float, place: SweepPosition) -> list[Stale]:
    """Find up to `STEP_ROWS` mailboxes behind `place` that were last used before `cutoff`."""
    return tx.all(_STALE_MAILBOXES, the_cutoff=cutoff, the_used=place.used, the_id=place.id)


def expire_nameplate(
    tx: Transaction,
    row_id: int,
    cutoff: float,
    is_present: Callable[[tuple[str, str]], bool],
    usage: Usage,
    now: float,
) -> Retired:
    """
    Remove a nameplate, unless it or its mailbox has been in use since `cutoff`.

    :param row_id: the id of its row.
    :param cutoff: seconds since the epoch, like `now`.
    :param is_present: whether a client of an (application, mailbox) is connected to this process.
    """
    plate = tx.one(_NAMEPLATE, the_id=row_id)
    if plate is None:
        return Retired()
    tx.lock(nameplate_key(plate.app, plate.name))
    tx.lock(mailbox_key(plate.app, plate.mailbox))
    # Read again: it may have changed before the keys were taken.
    plate = tx.one(_NAMEPLATE, the_id=row_id)
    if plate is None or plate.used >= cutoff:
        return Retired()
    box = get_mailbox(tx, plate.app, plate.mailbox)
    used = now if is_present((plate.app, plate.mailbox)) else (box.used if box else plate.used)
    if used >= cutoff:
        tx.run(_TOUCH_NAMEPLATE, the_id=row_id, now=used)
        return Retired()
    return Retired(nameplate=retire_nameplate(tx, plate, usage, now, Mood.PRUNEY))


def expire_mailbox(
    tx: Transaction,
    row_id: int,
    cutoff: float,
    is_present: Callable[[tuple[str, str]], bool],
    usage: Usage,
    now: float,
) -> Retired:
    """
    Remove a mailbox with its messages and nameplate, unless it has been in use since `cutoff`.

    :param row_id: the id of its row.
    :param cutoff: seconds since the epoch, like `now`.
    :param is_present: whether a client of an (application, mailbox) is connected to this process.
    """
    box = tx.one(_MAILBOX, the_id=row_id)
    if box is None:
        return Retired()
    tx.lock(mailbox_key(box.app, box.mailbox))
    # Read again: it may have changed before the keys were taken.
    box = tx.one(_MAILBOX, the_id=row_id)
    if box is None or box.used >= cutoff:
        return Retired()
    if is_present((box.app, box.mailbox)):
        tx.run(_TOUCH_MAILBOX, the_app=box.app, the_mailbox=box.mailbox, now=now)
        return Retired()
    return retire_mailbox(tx, box, Mood.PRUNEY, usage, now)


def find_mailboxes(tx: Transaction, app: str, mailboxes: Sequence[str]) -> dict[str, str | None]:
    """
    Find out which mailboxes exist.

    :param mailboxes: at most `STEP_ROWS`.
    :return: those that exist, each with the nameplate that points to it.
    """
    names = {f"the_mailbox_{i}": name for i, name in enumerate(mailboxes)}
    rest = {f"the_mailbox_{i}": None for i in range(len(mailboxes), STEP_ROWS)}
    found = tx.all(_FIND, the_app=app, **names, **rest)
    return {box.mailbox: box.nameplate for box in found}


def touch_mailboxes(tx: Transaction, addresses: Sequence[tuple[str, str]], now: float) -> None:
    """
    Mark mailboxes as in use.

    :param addresses: the (application, mailbox) of each.
    :param now: seconds since the epoch.
    """
    # In one order everywhere, so that two instances cannot block each other.
    rows = [
        {"the_app": app, "the_mailbox": mailbox, "now": now} for app, mailbox in sorted(addresses)
    ]
    tx.many(_TOUCH_MAILBOX, rows)


def empty_discarded(tx: Transaction) -> bool:
    """
    Delete some messages of a large mailbox that was removed.

    :return: False if none are left.
    """
    mailbox_id = tx.one(_DISCARDED)
    if mailbox_id is None:
        return False
    first = tx.one(_FIRST_LEFT, the_id=mailbox_id)
    if first is None:
        tx.run(_FORGET_DISCARDED, the_id=mailbox_id)
    else:
        tx.run(_DELETE_LEFT, the_id=mailbox_id, the_number=first + STEP_MESSAGES)
    return True


def _forget(table: sa.Table) -> sa.Delete:
    old = sa.select(table.c.id).where(table.c.started < _P("the_cutoff")).limit(STEP_ROWS * 10)
    return sa.delete(table).where(table.c.id.in_(old))


FORGET_USAGE = [
    prepare(_forget(table))
    for table in (schema.nameplate_usage, schema.mailbox_usage, schema.client_usage)
]


def forget_usage(tx: Transaction, cutoff: float) -> bool:
    """
    Delete some usage records from before `cutoff`, seconds since the epoch.

    :return: False if none are left.
    """
    return sum(tx.count(statement, the_cutoff=cutoff) for statement in FORGET_USAGE) > 0
