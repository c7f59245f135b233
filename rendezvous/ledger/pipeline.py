"""
The pipeline: statements for PostgreSQL that are sent together and answered together.

Owns libpq's pipeline mode on one connection. `queue` only notes a statement; `exchange` sends all that are
queued, waits once, and takes the results. Each statement with a round trip of its own would cost its thread
a wait for the network and another for the interpreter, which the reactor is using; an exchange between two
clients has thirty. psycopg's own pipeline waits at every statement and saves neither.

Values are sent as text. PostgreSQL infers their types from the statement.
"""

from __future__ import annotations

import secrets
import select
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import attrs
import psycopg
from psycopg import errors, pq

from rendezvous.ledger.statements import Row

_GOOD = (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK)


@attrs.define(eq=False)
class QueryResult:
    """
    The result of one statement, empty until the exchange.

    :ivar count: the number of rows that it returned or changed.
    """

    rows: Sequence[Row] = ()
    count: int = 0

    @property
    def value(self) -> Any:
        """The first column of the first row; None if there is no row."""
        return self.rows[0][0] if self.rows else None


# What was sent, in its order: a statement, or the text of one that is being prepared.
_Sent = QueryResult | str


class PreparedStatements(dict[str, bytes]):
    """
    From the text of each statement that a connection has prepared to its name, for as long as it lives.

    :ivar prefix: of the names. No other connection has it: where a pooler hands sessions on without cleaning
        them, the statements of the client before are still there.
    """

    def __init__(self) -> None:
        super().__init__()
        self.prefix = b"w%s_" % secrets.token_hex(8).encode()


class Pipeline:
    """
    One connection in pipeline mode, as a context manager. Transactions are left to the caller.

    :param prepared: of this connection; the caller keeps it for as long as the connection lives.
    :param timeout_seconds: if the server is silent for this long within an exchange, the connection is
        closed; None waits for ever.
    """

    def __init__(
        self,
        connection: psycopg.Connection,
        prepared: PreparedStatements,
        timeout_seconds: float | None = None,
    ) -> None:
        self._connection = connection
        self._libpq = connection.pgconn
        self._prepared = prepared
        self._timeout_ms = None if timeout_seconds is None else int(timeout_seconds * 1000)
        self._preparing: dict[str, bytes] = {}
        self._sent: list[_Sent] = []

    def __enter__(self) -> Self:
        self._libpq.enter_pipeline_mode()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """
        Leave pipeline mode.

        Statements that were queued and not exchanged may or may not take effect: the caller has to roll the
        transaction back.
        """
        if self._sent:
            # Results that nobody has taken would make the connection unusable.
            with suppress(psycopg.Error):
                self.exchange()
        if self._libpq.status == pq.ConnStatus.OK:
            self._libpq.exit_pipeline_mode()

    def queue(self, sql: str, values: Sequence[object] = ()) -> QueryResult:
        """
        Send a statement with the next exchange.

        :return: filled by that exchange.
        :raises psycopg.DataError: a text contains NUL, which PostgreSQL cannot store.
        :raises TypeError: a value is of a type that no column has.
        """
        name = self._prepared.get(sql) or self._preparing.get(sql)
        if name is None:
            # A name is never used twice, even if the first statement could not be prepared.
            number = len(self._prepared) + len(self._preparing) + 1
            name = b"%s%d" % (self._prepared.prefix, number)
            self._libpq.send_prepare(name, sql.encode())
            self._preparing[sql] = name
            self._sent.append(sql)
        self._libpq.send_query_prepared(name, [_as_text(value) for value in values])
        result = QueryResult()
        self._sent.append(result)
        return result

    def exchange(self) -> None:
        """
        Send the queued statements, and wait for all results.

        :raises psycopg.Error: the error of the first statement that failed; those after it had no effect.
        """
        self._libpq.pipeline_sync()
        self._flush()
        sent, self._sent = self._sent, []
        failed: psycopg.Error | None = None
        for each in sent:
            result = self._result()
            if result is None:
                raise psycopg.OperationalError("the server sent fewer results than expected")
            if result.status in _GOOD:
                self._take(each, result)
            elif result.status != pq.ExecStatus.PIPELINE_ABORTED and failed is None:
                failed = errors.error_from_result(result)
            while self._result() is not None:
                pass
        self._preparing.clear()
        # The result of the sync itself.
        self._result()
        if failed is not None:
            raise failed

    def _take(self, sent: _Sent, result: pq.abc.PGresult) -> None:
        if isinstance(sent, str):
            self._prepared[sent] = self._preparing[sent]
            return
        sent.rows = _rows(result)
        sent.count = result.command_tuples or 0

    def _result(self) -> pq.abc.PGresult | None:
        libpq = self._libpq
        while libpq.is_busy():
            self._wait(select.POLLIN)
            libpq.consume_input()
        return libpq.get_result()

    def _flush(self) -> None:
        """Send everything, reading meanwhile: a server whose results nobody reads stops reading as well."""
        while self._libpq.flush():
            self._wait(select.POLLIN | select.POLLOUT)
            self._libpq.consume_input()

    def _wait(self, events: int) -> None:
        # The only place where the thread waits, and releases the interpreter.
        poll = select.poll()
        poll.register(self._libpq.socket, events)
        if not poll.poll(self._timeout_ms):
            self._connection.close()
            raise psycopg.OperationalError("no answer in time")


def _as_text(value: object) -> bytes | None:
    if isinstance(value, str):
        if "\0" in value:
            raise errors.DataError("PostgreSQL cannot store NUL in a text")
        return value.encode()
    if value is None:
        return None
    if isinstance(value, bool):
        return b"t" if value else b"f"
    if isinstance(value, int | float):
        return repr(value).encode()
    if isinstance(value, list):
        return b"{%s}" % b",".join(_as_element(element) for element in value)
    raise TypeError(f"cannot send a value of type {type(value).__name__}")


def _as_element(value: object) -> bytes:
    """Return an element of an array. Quotes are always allowed."""
    text = _as_text(value)
    if text is None:
        return b"NULL"
    return b'"%s"' % text.replace(b"\\", b"\\\\").replace(b'"', b'\\"')


def _to_bool(text: bytes) -> bool:
    return text == b"t"


# By type OID; those of built-in types are the same in every database. Any other type stays a text.
_FROM_TEXT: dict[int, Callable[[bytes], object]] = {
    16: _to_bool,  # boolean
    20: int,  # bigint
    21: int,  # smallint
    23: int,  # integer
    26: int,  # oid
    700: float,  # real
    701: float,  # double precision
}


def _rows(result: pq.abc.PGresult) -> list[Row]:
    columns = [_FROM_TEXT.get(result.ftype(n), bytes.decode) for n in range(result.nfields)]
    value = result.get_value
    return [
        tuple(
            None if (text := value(row, n)) is None else read(text)
            for n, read in enumerate(columns)
        )
        for row in range(result.ntuples)
    ]
