"""
The statements on the table of nameplates, and the value of its rows.

Owns how a nameplate is found: by application, number of digits and name, which is the order of the index.
"""

from __future__ import annotations

import attrs
import sqlalchemy as sa

from rendezvous.ledger.statements import prepare, prepare_query, prepare_value
from rendezvous.ledger.transaction import Transaction
from rendezvous.rules import schema
from rendezvous.rules.schema import columns

_P = sa.bindparam
_N = schema.nameplates


@attrs.frozen
class Nameplate:
    """A row of `nameplates`; see the schema."""

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


_this = (
    _N.c.app == _P("the_app"),
    _N.c.digits == _P("the_digits"),
    _N.c.name == _P("the_name"),
)
SELECT = sa.select(*columns(_N, Nameplate))
_GET = prepare_query(SELECT.where(*_this).with_for_update(), Nameplate)
INSERT = prepare(
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
_by_id = sa.update(_N).where(_N.c.id == _P("the_id"))
JOIN = prepare(_by_id.values(second_side=_P("the_side"), second_came=_P("now"), used=_P("now")))
TOUCH = prepare(_by_id.values(used=_P("now")))
MARK_CROWDED = prepare(_by_id.values(crowded=sa.true()))
RELEASE = prepare_query(
    sa.update(_N)
    .where(
        *_this,
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
    .returning(*columns(_N, Nameplate)),
    Nameplate,
)
DELETE = prepare(sa.delete(_N).where(_N.c.id == _P("the_id")))
WAITING = prepare_value(
    sa.select(_N.c.name)
    .where(_N.c.app == _P("the_app"), _N.c.second_side.is_(None))
    .order_by(_N.c.id.desc())
    .limit(_P("the_most")),
    str,
)


def get_nameplate(tx: Transaction, app: str, name: str) -> Nameplate | None:
    """Read a nameplate; its row is locked until the commit where the database can lock rows."""
    return tx.one(_GET, the_app=app, the_digits=len(name), the_name=name)
