"""Tests of `rendezvous.ledger.statements`."""

from __future__ import annotations

from typing import Any

import attrs
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from twisted.trial.unittest import SynchronousTestCase

from rendezvous.ledger.statements import Statement, prepare, prepare_query, prepare_value

_SQLITE = SQLiteDialect_pysqlite()
_NUMBERED = PGDialect_psycopg(paramstyle="numeric_dollar")
_NAMED = PGDialect_psycopg()
_P = sa.bindparam
_left = sa.table("left", sa.column("id"), sa.column("name"), sa.column("age"))
_right = sa.table("right", sa.column("number"), sa.column("body"))


@attrs.frozen
class Person:
    """Its fields are in another order than the columns, and one has no column."""

    age: int
    name: str
    note: str = "none"


@attrs.frozen
class Letter:
    """Its fields are in the order of the columns."""

    number: int
    body: str


class StatementTests(SynchronousTestCase):
    """From named values to the parameters of a driver."""

    def parameters(self, statement: Statement, **values: Any) -> list[Any]:
        """The parameters for SQLite, for libpq, and for psycopg."""
        return [statement.compiled(each)[1](values) for each in (_SQLITE, _NUMBERED, _NAMED)]

    def test_several(self) -> None:
        """Values take the places of their names, one that is used twice both places."""
        statement = prepare(
            sa.update(_left)
            .where(_left.c.name == _P("the_name"))
            .values(age=_P("the_age"), name=_P("the_name"))
        )
        sqlite, numbered, named = self.parameters(statement, the_age=7, the_name="x")
        self.assertEqual(sorted(map(str, sqlite)), ["7", "x", "x"])
        self.assertEqual(sorted(map(str, numbered)), ["7", "x"])
        self.assertEqual(named, {"the_age": 7, "the_name": "x"})

    def test_one(self) -> None:
        """A single value is a tuple of one, also where it is a text."""
        statement = prepare(sa.delete(_left).where(_left.c.name == _P("the_name")))
        self.assertEqual(
            self.parameters(statement, the_name="xy"), [("xy",), ("xy",), {"the_name": "xy"}]
        )

    def test_none(self) -> None:
        """A statement without values has no parameters."""
        self.assertEqual(self.parameters(prepare(sa.delete(_left))), [(), (), {}])

    def test_literals(self) -> None:
        """The construct's own literals go along; a value that is given replaces nothing of them."""
        statement = prepare(sa.insert(_right).values(number=_P("the_number"), body="literal"))
        self.assertEqual(
            self.parameters(statement, the_number=3),
            [(3, "literal"), (3, "literal"), {"the_number": 3, "body": "literal"}],
        )

    def test_missing_value(self) -> None:
        """A value that is missing is an error, never a null."""
        for count in (1, 2):
            names = ("number", "body")[:count]
            statement = prepare(sa.insert(_right).values({name: _P(name) for name in names}))
            for dialect in (_SQLITE, _NUMBERED):
                with self.assertRaises(KeyError):
                    statement.compiled(dialect)[1]({"another": 1})

    def test_compiled_once(self) -> None:
        """A statement is compiled once for each dialect and style of parameters."""
        statement = prepare(sa.delete(_left).where(_left.c.name == _P("the_name")))
        for dialect in (_SQLITE, _NUMBERED, _NAMED):
            self.assertIs(statement.compiled(dialect)[1], statement.compiled(dialect)[1])
        texts = {statement.compiled(each)[0] for each in (_SQLITE, _NUMBERED, _NAMED)}
        self.assertEqual(len(texts), 3)


class QueryTests(SynchronousTestCase):
    """From a row to a value."""

    def test_by_name(self) -> None:
        """A field gets the column of its name, whatever the order; one without a column its default."""
        query = prepare_query(sa.select(_left), Person)
        self.assertEqual(query.read((1, "x", 7)), Person(7, "x"))

    def test_compiled(self) -> None:
        """A query is compiled like any statement."""
        query = prepare_value(sa.select(_left.c.name).where(_left.c.id == _P("the_id")), str)
        sql, bind = query.compiled(_NUMBERED)
        self.assertIn("$1", sql)
        self.assertEqual(bind({"the_id": 7}), (7,))

    def test_in_order(self) -> None:
        """A row whose columns are in the order of the fields becomes their values."""
        self.assertEqual(prepare_query(sa.select(_right), Letter).read((3, "b")), Letter(3, "b"))

    def test_returning(self) -> None:
        """A statement that writes may return rows as well."""
        deleting = sa.delete(_right).returning(_right.c.body, _right.c.number)
        self.assertEqual(prepare_query(deleting, Letter).read(("b", 3)), Letter(3, "b"))

    def test_label(self) -> None:
        """A column of another name is selected under the field's."""
        query = prepare_query(
            sa.select(_left.c.id.label("number"), _left.c.name.label("body")), Letter
        )
        self.assertEqual(query.read((3, "b")), Letter(3, "b"))

    def test_outer_join(self) -> None:
        """Two classes make a pair; the second is None where the join found no row."""
        both = sa.select(_left, _right).join_from(_left, _right, sa.true(), isouter=True)
        query = prepare_query(both, Person, Letter)
        self.assertEqual(query.read((1, "x", 7, 3, None)), (Person(7, "x"), Letter(3, None)))  # type: ignore[arg-type]
        self.assertEqual(query.read((1, "x", 7, None, None)), (Person(7, "x"), None))

    def test_missing_column(self) -> None:
        """A field without a column or a default is found out when the query is made."""
        with self.assertRaisesRegex(ValueError, "Person cannot be made of the columns"):
            prepare_query(sa.select(_left.c.id, _left.c.name), Person)
        with self.assertRaisesRegex(ValueError, "Letter cannot be made of the columns"):
            prepare_query(sa.select(_left), Person, Letter)

    def test_default_in_between(self) -> None:
        """A field behind one that has no column could not be told from it, and is refused."""

        @attrs.frozen
        class Odd:
            note: str = "none"
            age: int = 0

        with self.assertRaises(ValueError):
            prepare_query(sa.select(_left), Odd)

    def test_value(self) -> None:
        """The value of a single column is the column's."""
        self.assertEqual(prepare_value(sa.select(_left.c.name), str).read(("x",)), "x")
