"""Tests of `rendezvous.ledger.pipeline`, on a real PostgreSQL."""

from __future__ import annotations

import psycopg
from psycopg import errors

from rendezvous.ledger.pipeline import Pipeline, PreparedStatements
from tests.rendezvous.postgres_connections import ConnectionCase

_ECHO = (
    "SELECT $1::text, $2::integer, $3::bigint, $4::double precision, $5::boolean, $6::smallint,"
    " $7::oid, $8::real"
)


class PipelineTests(ConnectionCase):
    """Statements that go out together."""

    def setUp(self) -> None:
        """Connect."""
        self.connection = self.connect()
        self.prepared = PreparedStatements()

    def pipeline(self) -> Pipeline:
        """On the connection of the test."""
        return Pipeline(self.connection, self.prepared)

    def test_values(self) -> None:
        """Values come back as they went, and so does their absence."""
        rows = [
            ("ä\n'\\", -1, 1 << 40, 0.1 + 0.2, True, 7, 23, 0.5),
            ("", 0, -(1 << 62), 1e300, False, -7, 0, -1e30),
            (None,) * 8,
        ]
        with self.pipeline() as pipeline:
            answers = [pipeline.queue(_ECHO, row) for row in rows]
            pipeline.exchange()
        self.assertEqual([answer.rows for answer in answers], [[row] for row in rows])

    def test_arrays(self) -> None:
        """A list goes as an array, whatever is in it."""
        texts = ["", "a,b", '"', "\\", "{}", "NULL", "ä b", None]
        with self.pipeline() as pipeline:
            answers = [
                pipeline.queue("SELECT unnest($1::text[])", [texts]),
                pipeline.queue("SELECT unnest($1::bigint[])", [[1, -(1 << 62)]]),
                pipeline.queue("SELECT unnest($1::bigint[])", [[]]),
            ]
            pipeline.exchange()
        self.assertEqual(
            [[value for (value,) in answer.rows] for answer in answers],
            [texts, [1, -(1 << 62)], []],
        )

    def test_value_without_a_form(self) -> None:
        """A NUL, which PostgreSQL cannot keep, and what is no value are refused before they are sent."""
        with self.pipeline() as pipeline:
            with self.assertRaises(errors.DataError):
                pipeline.queue("SELECT $1::text", ["a\0b"])
            with self.assertRaises(TypeError):
                pipeline.queue("SELECT $1::bytea", [b"a"])
            answer = pipeline.queue("SELECT 1")
            pipeline.exchange()
        self.assertEqual(answer.rows, [(1,)])

    def test_count(self) -> None:
        """An answer tells how many rows were touched."""
        with self.pipeline() as pipeline:
            pipeline.queue("CREATE TEMPORARY TABLE counted AS SELECT generate_series(1, 5) AS n")
            pipeline.exchange()
            answer = pipeline.queue("DELETE FROM counted WHERE n > $1", [2])
            pipeline.exchange()
        self.assertEqual((answer.count, answer.rows), (3, []))

    def test_count_of_no_rows(self) -> None:
        """A statement that is not about rows has a count of 0."""
        with self.pipeline() as pipeline:
            answer = pipeline.queue("CREATE TEMPORARY TABLE uncounted (n integer)")
            pipeline.exchange()
        self.assertEqual(answer.count, 0)

    def test_skipped(self) -> None:
        """A statement that was skipped behind one that failed can be sent again."""
        with self.pipeline() as pipeline:
            pipeline.queue("SELECT 1 / $1::integer", [0])
            pipeline.queue("SELECT 3")
            with self.assertRaises(errors.DivisionByZero):
                pipeline.exchange()
            answer = pipeline.queue("SELECT 3")
            pipeline.exchange()
        self.assertEqual(answer.rows, [(3,)])

    def test_prepared_once(self) -> None:
        """A statement is prepared once for its connection, whatever happens to its neighbours."""
        for _ in range(3):
            with self.pipeline() as pipeline:
                pipeline.queue("SELECT $1::integer", [1])
                pipeline.queue("SELECT $1::integer", [2])
                pipeline.queue("SELECT 1 / $1::integer", [0])
                pipeline.queue("SELECT 3")
                with self.assertRaises(errors.DivisionByZero):
                    pipeline.exchange()
        count = "SELECT count(*) FROM pg_prepared_statements"
        # SELECT 3 was skipped each time, and so never prepared.
        self.assertEqual(self.connection.execute(count).fetchone(), (2,))

    def test_statements_of_another_client(self) -> None:
        """What the client before has prepared in a session does not get in the way of the next client."""
        for _ in range(2):
            with Pipeline(self.connection, PreparedStatements()) as pipeline:
                answer = pipeline.queue("SELECT 5")
                pipeline.exchange()
            self.assertEqual(answer.rows, [(5,)])

    def test_first_failure(self) -> None:
        """The first failure is told; nothing behind it happens, and the connection can be used on."""
        with self.pipeline() as pipeline:
            pipeline.queue("CREATE TEMPORARY TABLE failing (n integer UNIQUE)")
            pipeline.queue("INSERT INTO failing VALUES ($1)", [1])
            pipeline.exchange()
            pipeline.queue("INSERT INTO failing VALUES ($1)", [1])
            skipped = pipeline.queue("INSERT INTO failing VALUES ($1)", [2])
            pipeline.queue("no SQL")
            with self.assertRaises(errors.UniqueViolation):
                pipeline.exchange()
            found = pipeline.queue("SELECT n FROM failing")
            pipeline.exchange()
        self.assertEqual((skipped.count, found.rows), (0, [(1,)]))

    def test_left_half_way(self) -> None:
        """Who leaves with questions open leaves a connection that can be rolled back."""
        with self.assertRaises(KeyError), self.pipeline() as pipeline:
            pipeline.queue("BEGIN")
            pipeline.queue("SELECT pg_notify('x', 'y')")
            raise KeyError
        self.connection.rollback()
        self.assertEqual(self.connection.execute("SELECT 1").fetchone(), (1,))

    def test_more_than_fits(self) -> None:
        """What is larger than all buffers on the way goes through, both ways at once."""
        large = "x" * 1_000_000
        with self.pipeline() as pipeline:
            answers = [pipeline.queue("SELECT $1::text", [large]) for _ in range(20)]
            pipeline.exchange()
        self.assertTrue(all(answer.rows == [(large,)] for answer in answers))

    def test_silent_server(self) -> None:
        """A server that does not answer in time is given up, and the connection with it."""
        with (
            self.assertRaisesRegex(psycopg.OperationalError, "no answer in time"),
            Pipeline(self.connection, self.prepared, 0.05) as pipeline,
        ):
            pipeline.queue("SELECT pg_sleep(60)")
            pipeline.exchange()
        self.assertTrue(self.connection.closed)

    def test_server_that_reads_nothing(self) -> None:
        """A server that does not take what is sent is given up like one that does not answer."""
        with (
            self.assertRaisesRegex(psycopg.OperationalError, "no answer in time"),
            Pipeline(self.connection, self.prepared, 0.2) as pipeline,
        ):
            pipeline.queue("SELECT pg_sleep(60)")
            for _ in range(20):
                pipeline.queue("SELECT $1::text", ["x" * 1_000_000])
            pipeline.exchange()
        self.assertTrue(self.connection.closed)

    def test_slow_server(self) -> None:
        """A server that answers within the time is waited for."""
        with Pipeline(self.connection, self.prepared, 10.0) as pipeline:
            answer = pipeline.queue("SELECT pg_sleep(0.1), 7")
            pipeline.exchange()
        self.assertEqual(answer.rows, [("", 7)])

    def test_value(self) -> None:
        """The value of a result is the first column of its first row; None where there is no row."""
        with self.pipeline() as pipeline:
            found = pipeline.queue("SELECT * FROM (VALUES (1, 2), (3, 4)) AS pairs")
            nothing = pipeline.queue("SELECT 1 WHERE false")
            self.assertIsNone(found.value)
            pipeline.exchange()
        self.assertEqual((found.value, nothing.value), (1, None))

    def test_names_after_failures(self) -> None:
        """What was not prepared because of a failure before it gets a name that nothing else has."""
        for number in range(3):
            with self.assertRaises(errors.DivisionByZero), self.pipeline() as pipeline:
                pipeline.queue(f"SELECT {number}")
                pipeline.queue("SELECT 1 / $1::integer", [0])
                pipeline.queue(f"SELECT {number} + 100")
                pipeline.exchange()
            self.connection.rollback()
        with self.assertRaises(errors.UndefinedTable), self.pipeline() as pipeline:
            pipeline.queue("SELECT * FROM nowhere")
            pipeline.exchange()
        self.connection.rollback()
        with self.pipeline() as pipeline:
            answers = [pipeline.queue(f"SELECT {number} + 100") for number in range(3)]
            pipeline.exchange()
        self.assertEqual([answer.rows for answer in answers], [[(100,)], [(101,)], [(102,)]])
        self.assertEqual(len(set(self.prepared.values())), len(self.prepared))

    def test_lost_with_several_statements(self) -> None:
        """A connection that is lost with several statements on their way fails them all at once."""
        with self.assertRaises(psycopg.OperationalError), self.pipeline() as pipeline:
            for number in range(3):
                pipeline.queue("SELECT $1::integer", [number])
            pipeline.queue("SELECT pg_terminate_backend(pg_backend_pid())")
            for number in range(3):
                pipeline.queue("SELECT $1::integer", [number])
            pipeline.exchange()
        self.assertTrue(self.connection.closed)

    def test_lost(self) -> None:
        """A connection that is lost is told as such, and marked as closed."""
        other = self.connect()
        with self.assertRaises(psycopg.OperationalError), self.pipeline() as pipeline:
            pipeline.queue("SELECT 1")
            pipeline.exchange()
            other.execute(
                "SELECT pg_terminate_backend(%s, 10000)", [self.connection.info.backend_pid]
            )
            pipeline.queue("SELECT 1")
            pipeline.exchange()
        self.assertTrue(self.connection.closed)
