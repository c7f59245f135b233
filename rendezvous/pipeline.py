"""
Statements for PostgreSQL that go out together and are answered together.

Owns libpq's pipeline mode on one connection: what is asked is only noted, until `exchange` sends all of it
in one piece, waits once, and takes the answers. A statement of its own round trip costs its thread a wait
for the network, and then one for the interpreter, which the reactor is using; there are thirty in an
exchange of two clients. psycopg's own pipeline sends and waits at every statement, and so saves neither.

Values go as text, and PostgreSQL knows their types from the statement.
"""

from __future__ import annotations

import select
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

import attrs
import psycopg
from psycopg import errors, pq

from rendezvous.statements import Row

_GOOD = (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK)


@attrs.define(eq=False)
class Answer:
    """
    To one statement, once it is there.

    :ivar count: the rows that it touched or found.
    """

    rows: Sequence[Row] = ()
    count: int = 0


# What is sent, in its order: a statement, whose answer is wanted, or the preparation of one.
_Awaited = Answer | str


class Pipeline:
    """
    One connection in pipeline mode, as a context manager. The connection's transaction is the caller's.

    :param prepared: from the text of each statement that the connection has prepared to its name; kept
        by the caller for as long as the connection lives.
    :param patience_seconds: a server that is silent for so long within an exchange is given up, and the
        connection with it; None waits for ever.
    """

    def __init__(
        self,
        connection: psycopg.Connection,
        prepared: dict[str, bytes],
        patience_seconds: float | None = None,
    ) -> None:
        self._connection = connection
        self._libpq = connection.pgconn
        self._prepared = prepared
        self._patience_ms = None if patience_seconds is None else int(patience_seconds * 1000)
        self._preparing: dict[str, bytes] = {}
        self._awaited: list[_Awaited] = []

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
        Leave pipeline mode. What was asked and not exchanged may or may not happen: the transaction is
        to be rolled back.
        """
        if self._awaited:
            # The connection comes to the end of an exchange, so that it can be used on.
            with suppress(psycopg.Error):
                self.exchange()
        if self._libpq.status == pq.ConnStatus.OK:
            self._libpq.exit_pipeline_mode()

    def ask(self, sql: str, values: Sequence[object] = ()) -> Answer:
        """Let a statement go out with the next exchange, whose end fills the answer."""
        name = self._prepared.get(sql) or self._preparing.get(sql)
        if name is None:
            # Never the same name twice, whatever has become of the first.
            name = b"w%d" % (len(self._prepared) + len(self._preparing) + 1)
            self._libpq.send_prepare(name, sql.encode())
            self._preparing[sql] = name
            self._awaited.append(sql)
        self._libpq.send_query_prepared(name, [_as_text(value) for value in values])
        answer = Answer()
        self._awaited.append(answer)
        return answer

    def exchange(self) -> None:
        """
        Send what was asked, and wait for all answers.

        :raises psycopg.Error: of the first statement that failed; none behind it has happened.
        """
        self._libpq.pipeline_sync()
        self._flush()
        awaited, self._awaited = self._awaited, []
        failed: psycopg.Error | None = None
        for each in awaited:
            result = self._result()
            if result is None:
                raise psycopg.OperationalError("the connection is out of step")
            if result.status in _GOOD:
                self._take(each, result)
            elif result.status != pq.ExecStatus.PIPELINE_ABORTED and failed is None:
                failed = errors.error_from_result(result)
            while self._result() is not None:
                pass
        self._preparing.clear()
        # The answer to the end of the exchange itself.
        self._result()
        if failed is not None:
            raise failed

    def _take(self, awaited: _Awaited, result: pq.abc.PGresult) -> None:
        if isinstance(awaited, str):
            self._prepared[awaited] = self._preparing[awaited]
            return
        awaited.rows = _rows(result)
        awaited.count = result.command_tuples or 0

    def _result(self) -> pq.abc.PGresult | None:
        libpq = self._libpq
        while libpq.is_busy():
            self._wait(select.POLLIN)
            libpq.consume_input()
        return libpq.get_result()

    def _flush(self) -> None:
        """Send what is noted; a server that answers early is listened to, so that it goes on reading."""
        while self._libpq.flush():
            self._wait(select.POLLIN | select.POLLOUT)
            self._libpq.consume_input()

    def _wait(self, events: int) -> None:
        # Here, and only here, the thread lets go of the interpreter.
        poll = select.poll()
        poll.register(self._libpq.socket, events)
        if not poll.poll(self._patience_ms):
            self._connection.close()
            raise psycopg.OperationalError("no answer in time")


def _as_text(value: object) -> bytes | None:
    if isinstance(value, str):
        if "\0" in value:
            raise errors.DataError("PostgreSQL keeps no NUL in a text")
        return value.encode()
    if value is None:
        return None
    if isinstance(value, bool):
        return b"t" if value else b"f"
    if isinstance(value, int | float):
        return repr(value).encode()
    if isinstance(value, list):
        return b"{%s}" % b",".join(_as_element(element) for element in value)
    raise TypeError(f"{type(value).__name__} has no text form here")


def _as_element(value: object) -> bytes:
    """In an array, where a text may need quotes and never minds them."""
    text = _as_text(value)
    if text is None:
        return b"NULL"
    return b'"%s"' % text.replace(b"\\", b"\\\\").replace(b'"', b'\\"')


def _to_bool(text: bytes) -> bool:
    return text == b"t"


# By the numbers that PostgreSQL gives its types, the same in every database.
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
