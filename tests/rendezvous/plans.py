"""How a database carries out prepared statements."""

from __future__ import annotations

from types import ModuleType

from rendezvous.ledger.statements import Statement
from rendezvous.ledger.transaction import Transaction
from tests.rendezvous.stores import Store

_VALUES = {
    "the_app": "app",
    "the_name": "7",
    "the_digits": 1,
    "the_mailbox": "box",
    "the_side": "a",
    "the_mood": "happy",
    "the_phase": "0",
    "the_body": "",
    "the_message_id": "null",
    "the_id": 1,
    "the_number": 1,
    "the_total": 1,
    "the_most": 1,
    "now": 1.0,
}


def assert_indexed(store: Store, module: ModuleType) -> None:
    """Fail if a statement of a module reads a whole table: as often as they run, none may."""
    statements = {name: each for name, each in vars(module).items() if isinstance(each, Statement)}
    if not statements:
        raise AssertionError(module)
    for name, statement in statements.items():
        plan = store.run(lambda tx, statement=statement: _plan(tx, statement))  # type: ignore[misc]
        if any(line.lstrip(" ->").startswith(("SCAN", "Seq Scan")) for line in plan):
            raise AssertionError(f"{name} reads a whole table: {plan}")


def _plan(tx: Transaction, statement: Statement) -> list[str]:
    sql, bind = statement.compiled(tx._dialect)
    if tx._dialect.name == "sqlite":
        tx._cursor.execute(f"EXPLAIN QUERY PLAN {sql}", bind(_VALUES))
        return [row[3] for row in tx._cursor.fetchall()]
    # An empty table is read whole, however it is indexed, unless that is forbidden.
    tx._cursor.execute("SET LOCAL enable_seqscan = off")
    tx._cursor.execute(f"EXPLAIN {sql}", bind(_VALUES))
    return [row[0] for row in tx._cursor.fetchall()]
