"""
The statements on the table of messages, and the page of a mailbox with its messages.

Owns how a message gets its number, how a repeated one is recognized, and how a page is read.
"""

from __future__ import annotations

import attrs
import sqlalchemy as sa

from rendezvous.ledger.statements import prepare, prepare_query, prepare_value
from rendezvous.protocol.replies import StoredMessage
from rendezvous.rules import schema
from rendezvous.rules.schema import columns
from rendezvous.rules.sql.mailboxes import Mailbox, newest_number, this_mailbox

# One page of a replay: read in one transaction, and held in memory for one client at most.
PAGE_MESSAGES = 100
# A large mailbox loses so many messages as it is removed; expiry deletes the rest, step by step.
MAX_DELETE_MESSAGES = 500

_P = sa.bindparam
_M, _S = schema.mailboxes, schema.messages
_E, _L, _V = _S.alias("equal"), _S.alias("later"), _S.alias("previous")


@attrs.frozen
class Added:
    """
    Where a message was stored: the key of its row.

    :ivar mailbox_id: the id of the mailbox's row.
    :ivar number: the message's place in the mailbox, from 1.
    """

    mailbox_id: int
    number: int


@attrs.frozen
class Place:
    """
    Where the next message of a mailbox goes.

    :ivar mailbox_id: the id of the mailbox's row.
    :ivar newest: the number of the newest message, 0 if there is none.
    :ivar total: the sizes of all messages.
    :ivar equal: the number of a message that is the same, among the first ones of the mailbox; None if there
        is none.
    """

    mailbox_id: int
    newest: int
    total: int
    equal: int | None


_unindexed: sa.ColumnElement[int] = sa.literal_column(str(schema.UNINDEXED_MESSAGES))
# Where the next message goes. The operation holds the mailbox's key until the commit, so that numbers and
# totals follow the order of the commits, on whichever instance.
PLACE = prepare_query(
    sa.select(
        _M.c.id.label("mailbox_id"),
        sa.func.coalesce(_V.c.number, sa.literal_column("0")).label("newest"),
        sa.func.coalesce(_V.c.total, sa.literal_column("0")).label("total"),
        sa.select(sa.func.min(_E.c.number))
        .where(
            _E.c.mailbox_id == _M.c.id,
            _E.c.number <= _unindexed,
            _E.c.side == _P("the_side"),
            _E.c.phase == _P("the_phase"),
            _E.c.body == _P("the_body"),
        )
        .correlate(_M)
        .scalar_subquery()
        .label("equal"),
    )
    .join_from(
        _M,
        _V,
        sa.and_(
            _V.c.mailbox_id == _M.c.id,
            _V.c.number == newest_number(_M.c.id).correlate(_M).scalar_subquery(),
        ),
        isouter=True,
    )
    .where(
        *this_mailbox,
        sa.or_(
            sa.and_(_M.c.first_side == _P("the_side"), _M.c.first_open),
            sa.and_(_M.c.second_side == _P("the_side"), _M.c.second_open),
        ),
    ),
    Place,
)
# The same, among the later ones. Clients use a phase once. The limit is for one that does not: all of its
# messages would have to be compared.
_later_of_phase = (
    sa.select(_L.c.number)
    .where(
        _L.c.mailbox_id == _P("the_id"),
        _L.c.number > _unindexed,
        _L.c.side == _P("the_side"),
        _L.c.phase == _P("the_phase"),
    )
    .order_by(_L.c.number.desc())
    .limit(schema.UNINDEXED_MESSAGES)
)
EQUAL_LATER = prepare_value(
    sa.select(sa.func.min(_E.c.number)).where(
        _E.c.mailbox_id == _P("the_id"),
        _E.c.number.in_(_later_of_phase),
        _E.c.body == _P("the_body"),
    ),
    int,
)
INSERT = prepare(
    sa.insert(_S)
    .values(
        mailbox_id=_P("the_id"),
        number=_P("the_number"),
        side=_P("the_side"),
        phase=_P("the_phase"),
        body=_P("the_body"),
        message_id=_P("the_message_id"),
        received=_P("now"),
        total=_P("the_total"),
    )
    .inline()
)
STORED = prepare_query(
    sa.select(*columns(_S, StoredMessage)).where(
        _S.c.mailbox_id == _P("the_id"), _S.c.number == _P("the_number")
    ),
    StoredMessage,
)
_page = (
    sa.select(*columns(_M, Mailbox), *columns(_S, StoredMessage))
    .join_from(
        _M, _S, sa.and_(_S.c.mailbox_id == _M.c.id, _S.c.number >= _P("the_number")), isouter=True
    )
    .where(*this_mailbox)
    .order_by(_S.c.number)
    # One more shows whether the page is the last.
    .limit(PAGE_MESSAGES + 1)
)
PAGE_FOR_UPDATE = prepare_query(_page.with_for_update(of=_M), Mailbox, StoredMessage)
# Takes no lock: numbers become visible in their order.
PAGE = prepare_query(_page, Mailbox, StoredMessage)
NEWEST = prepare_value(newest_number(_P("the_id")), int)
DELETE = prepare(
    sa.delete(_S).where(_S.c.mailbox_id == _P("the_id"), _S.c.number <= MAX_DELETE_MESSAGES)
)
