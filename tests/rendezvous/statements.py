"""A transaction that counts the statements that an operation runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

from rendezvous.ledger.statements import Query, Statement
from rendezvous.ledger.transaction import Transaction

T = TypeVar("T")


class CountingTransaction(Transaction):
    """Passes every statement to another transaction, which is the only one under way."""

    def __init__(self, tx: Transaction, counted: list[str]) -> None:
        super().__init__(tx._cursor, tx._dialect)
        self._counted = counted
        self._deferred = tx._deferred

    def all(self, query: Query[T], **values: Any) -> list[T]:
        self._counted.append("all")
        return super().all(query, **values)

    def one(self, query: Query[T], **values: Any) -> T | None:
        self._counted.append("one")
        return super().one(query, **values)

    def each(self, query: Query[T], **values: Any) -> Iterator[T]:
        self._counted.append("each")
        return super().each(query, **values)

    def run(self, statement: Statement, **values: Any) -> None:
        self._counted.append("run")
        super().run(statement, **values)

    def count(self, statement: Statement, **values: Any) -> int:
        self._counted.append("count")
        return super().count(statement, **values)

    def later(self, statement: Statement, **values: Any) -> None:
        self._counted.append("later")
        super().later(statement, **values)
