"""
The statements on the table of mailboxes, and the values of its rows.

Owns how a mailbox is found: by application and mailbox id.
"""

from __future__ import annotations

from typing import Any

import attrs
import sqlalchemy as sa

from rendezvous.ledger.statements import prepare, prepare_query
from rendezvous.ledger.transaction import Transaction
from rendezvous.rules import schema
from rendezvous.rules.schema import columns

_P = sa.bindparam
_N, _M, _S = schema.nameplates, schema.mailboxes, schema.messages


@attrs.frozen
class Mailbox:
    """A row of `mailboxes`; see the schema."""

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


@attrs.frozen
class ClosedMailbox(Mailbox):
    """
    A row of `mailboxes` after a `close`, with what decides whether more has to be read before it is removed.

    :ivar nameplates: how many nameplates still point to it, 0 or 1.
    :ivar newest: the number of its newest message, 0 if it has none.
    """

    nameplates: int
    newest: int


def newest_number(mailbox_id: sa.ColumnElement[Any]) -> sa.Select[tuple[int]]:
    """Select the number of the newest message of a mailbox, 0 if it has none."""
    newest = sa.func.coalesce(sa.func.max(_S.c.number), sa.literal_column("0"))
    return sa.select(newest).where(_S.c.mailbox_id == mailbox_id)


this_mailbox = (_M.c.app == _P("the_app"), _M.c.mailbox == _P("the_mailbox"))
SELECT = sa.select(*columns(_M, Mailbox))
_GET = prepare_query(SELECT.where(*this_mailbox).with_for_update(), Mailbox)
INSERT = prepare(
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
_by_id = sa.update(_M).where(_M.c.id == _P("the_id"))
_as_second = {
    "second_side": _P("the_side"),
    "second_open": sa.true(),
    "second_came": _P("now"),
    "used": _P("now"),
}
JOIN = prepare(_by_id.values(_as_second))
# The same, without reading it first; touches no row where a second side has joined.
JOIN_AS_SECOND = prepare(
    sa.update(_M)
    .where(*this_mailbox, _M.c.second_side.is_(None), _M.c.first_side != _P("the_side"))
    .values(_as_second)
)
TOUCH = prepare(_by_id.values(used=_P("now")))
MARK_CROWDED = prepare(_by_id.values(crowded=sa.true()))
REOPEN_FIRST = prepare(_by_id.values(first_open=sa.true(), first_mood=sa.null(), used=_P("now")))
REOPEN_SECOND = prepare(_by_id.values(second_open=sa.true(), second_mood=sa.null(), used=_P("now")))
_first_closes = sa.and_(_M.c.first_side == _P("the_side"), _M.c.first_open)
_second_closes = sa.and_(
    sa.func.coalesce(_M.c.second_side == _P("the_side"), sa.false()), _M.c.second_open
)
CLOSE = prepare_query(
    sa.update(_M)
    .where(*this_mailbox, sa.or_(_first_closes, _second_closes))
    .values(
        first_open=sa.and_(_M.c.first_open, sa.not_(_first_closes)),
        first_mood=sa.case((_first_closes, _P("the_mood")), else_=_M.c.first_mood),
        second_open=sa.and_(_M.c.second_open, sa.not_(_second_closes)),
        second_mood=sa.case((_second_closes, _P("the_mood")), else_=_M.c.second_mood),
        used=_P("now"),
    )
    .returning(
        *columns(_M, Mailbox),
        sa.select(sa.func.count())
        .select_from(_N)
        .where(
            # Not the mailbox's columns: in RETURNING, SQLAlchemy leaves out table names for SQLite, and
            # `app = app` would compare a column with itself.
            _N.c.app == _P("the_app"),
            _N.c.mailbox == _P("the_mailbox"),
            _N.c.digits == sa.func.length(_M.c.nameplate),
            # Without the cast SQLite does not use the index.
            _N.c.name == sa.cast(_M.c.nameplate, sa.Text),
        )
        .scalar_subquery()
        .label("nameplates"),
        newest_number(_M.c.id).scalar_subquery().label("newest"),
    ),
    ClosedMailbox,
)
DELETE = prepare(sa.delete(_M).where(_M.c.id == _P("the_id")))
# What is left of a large mailbox, for expiry to delete.
DISCARD = prepare(sa.insert(schema.discarded_mailboxes).values(mailbox_id=_P("the_id")).inline())


def get_mailbox(tx: Transaction, app: str, mailbox: str) -> Mailbox | None:
    """Read a mailbox; its row is locked until the commit where the database can lock rows."""
    return tx.one(_GET, the_app=app, the_mailbox=mailbox)
