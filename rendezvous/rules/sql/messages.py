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


_this_side_has_it_open = sa.or_(
    sa.and_(_M.c.first_side == _P("the_side"), _M.c.first_open),
    sa.and_(_M.c.second_side == _P("the_side"), _M.c.second_open),
)


def _find_equal(*where: sa.ColumnElement[bool]) -> sa.ScalarSelect[int]:
    """Select the number of an equal message; NULL if there is none."""
    return (
        sa.select(sa.func.min(_E.c.number))
        .where(_E.c.mailbox_id == _M.c.id, *where, _E.c.body == _P("the_body"))
        .correlate(_M)
        .scalar_subquery()
    )


_unindexed: sa.ColumnElement[int] = sa.literal_column(str(schema.UNINDEXED_MESSAGES))
_of_phase = (_E.c.side == _P("the_side"), _E.c.phase == _P("the_phase"))
_equal_first = _find_equal(_E.c.number <= _unindexed, *_of_phase)
# Clients use a phase once. The limit is for one that does not: all of its messages would have to be compared.
_later_of_phase = (
    sa.select(_L.c.number)
    .where(
        _L.c.mailbox_id == _M.c.id,
        _L.c.number > _unindexed,
        _L.c.side == _P("the_side"),
        _L.c.phase == _P("the_phase"),
    )
    .order_by(_L.c.number.desc())
    .limit(_unindexed)
    # The default for SQLite is a parameter, and binding it costs more than this query.
    .offset(sa.literal_column("0"))
    .correlate(_M)
)
_equal_later = _find_equal(_E.c.number.in_(_later_of_phase))
_body = sa.cast(_P("the_body"), sa.Text)
_newest: sa.ColumnElement[int] = sa.func.coalesce(_V.c.number, sa.literal_column("0"))
_total: sa.ColumnElement[int] = sa.func.coalesce(_V.c.total, sa.literal_column("0")) + sa.cast(
    _P("the_size"), sa.BigInteger
)
# One statement, since it runs ten times in an exchange. The operation holds the mailbox's key until the
# commit, so that numbers and totals follow the order of the commits, on whichever instance.
INSERT = prepare_query(
    sa.insert(_S)
    .from_select(
        ["mailbox_id", "number", "side", "phase", "body", "message_id", "received", "total"],
        sa.select(
            _M.c.id,
            _newest + sa.literal_column("1"),
            sa.cast(_P("the_side"), sa.Text),
            sa.cast(_P("the_phase"), sa.Text),
            _body,
            sa.cast(_P("the_message_id"), sa.Text),
            sa.cast(_P("now"), sa.Double),
            _total,
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
            _this_side_has_it_open,
            _newest < _P("the_most_messages"),
            _total <= _P("the_most_size"),
            _equal_first.is_(None),
            # `_equal_later` would be the same, but PostgreSQL takes three times as long to start it.
            _body.not_in(_later_of_phase.with_only_columns(_L.c.body)),
        ),
    )
    .returning(_S.c.mailbox_id, _S.c.number),
    Added,
)
# Why INSERT has stored nothing: the message that this one repeats, if there is one.
REPEATED = prepare_query(
    sa.select(*columns(_S, StoredMessage))
    .join_from(_M, _S, _S.c.mailbox_id == _M.c.id)
    .where(
        *this_mailbox,
        _this_side_has_it_open,
        _S.c.number == sa.func.coalesce(_equal_first, _equal_later),
    ),
    StoredMessage,
)
# Why INSERT has stored nothing else: the mailbox is full, or the side does not have it open.
IS_OPEN = prepare_value(sa.select(_M.c.id).where(*this_mailbox, _this_side_has_it_open), int)
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
