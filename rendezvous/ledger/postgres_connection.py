"""
The PostgreSQL connection of a runner: how it is opened, how it is lost, and what became of its last commit.

Owns the settings of a connection, the wait for an unavailable database, and the question whether a commit
took place whose answer was lost with its connection. Used by one worker thread only; a wait blocks it.
"""

from __future__ import annotations

import threading
from typing import cast

import psycopg
from psycopg import errors
from sqlalchemy import Engine, PoolProxiedConnection
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from rendezvous.errors import LedgerUnavailable, OutcomeUnknown
from rendezvous.ledger.pipeline import Pipeline, PreparedStatements
from rendezvous.ledger.pooler import lost_sessions

_log = Logger()

# A command waits this long for a database that is unavailable, then fails.
UNAVAILABLE_TIMEOUT_SECONDS = 30.0
UNAVAILABLE_RETRY_SECONDS = 0.25
# For a database that accepts connections but does not answer, since it waits for a disk, or for a standby
# that has to confirm a commit. Short, because nothing is lost: what became of a commit is asked afterwards.
ANSWER_TIMEOUT_SECONDS = 10.0

# An instance that is cut off or stopped in the middle of a batch must not hold its keys for hours, as it
# would with the system's keepalive. A commit that waits for a standby must not be cut short by a time limit
# of the role: it would be answered as if the standby had confirmed it.
_SET_UP = """
    SELECT set_config(name, value, false) FROM (VALUES
        ('idle_in_transaction_session_timeout', '15s'),
        ('statement_timeout', '0'),
        ('tcp_keepalives_idle', '10'),
        ('tcp_keepalives_interval', '5'),
        ('tcp_keepalives_count', '2')
    ) AS settings (name, value)
"""
_STATUS = "SELECT pg_xact_status(%(xid)s::xid8)"
# A period without a crash, on one primary: within it the number of a transaction is never used twice.
# Statistics are reset by a crash, and a new primary writes on a new timeline. NULL on a standby.
_LIFE = """
    SELECT CASE WHEN pg_is_in_recovery() THEN NULL ELSE concat_ws(
        ' ', pg_postmaster_start_time(), (SELECT stats_reset FROM pg_stat_bgwriter),
        left(pg_walfile_name(pg_current_wal_lsn()), 8)
    ) END
"""


class PostgresConnection:
    """
    Connects when it is used, and again after a loss.

    :param engine: its pool must keep no connections.
    """

    def __init__(self, clock: IReactorTime, engine: Engine) -> None:
        self._clock = clock
        self._engine = engine
        self._stopping = threading.Event()
        self._proxy: PoolProxiedConnection | None = None
        self._unavailable_since: float | None = None
        self._reconnects = False
        # What a pooler was found to lose, as it was logged.
        self._lost_sessions: str | None = None
        # See `_LIFE` and `Pipeline`; both belong to the current connection.
        self._life = ""
        self._prepared = PreparedStatements()
        # The transaction whose commit was requested and not answered, and the life in which that was.
        self._unanswered: tuple[str, str] | None = None

    def stop_waiting(self) -> None:
        """Fail instead of waiting for an unavailable database, from now on. Callable from any thread."""
        self._stopping.set()

    def pipeline(self) -> Pipeline:
        """
        Return a pipeline on the connection.

        :raises psycopg.Error: the database cannot be reached, or is a standby.
        """
        return Pipeline(self._connect(), self._prepared, ANSWER_TIMEOUT_SECONDS)

    def commit_requested(self, xid: str) -> None:
        """Remember a transaction whose commit is about to be sent, until `commit_answered`."""
        self._unanswered = xid, self._life

    def commit_answered(self) -> None:
        """The commit has taken place."""
        self._unanswered = None

    def was_committed(self) -> bool:
        """
        Return whether the commit whose answer was lost with the last connection has taken place.

        :raises OutcomeUnknown: it cannot be told.
        """
        while self._unanswered is not None:
            xid, life = self._unanswered
            status = _status(self._connect(), xid)
            if status == "committed" and life == self._life:
                self._unanswered = None
                return True
            if status == "committed" or self._life.split()[-1:] != life.split()[-1:]:
                # After a crash the number may have been given to another transaction; and a new primary
                # may not have had this one.
                raise OutcomeUnknown("the database has been restarted since the commit")
            if status != "in progress":
                self._unanswered = None
                return False
            # The server has not noticed yet that its client is gone.
            self._wait("the last transaction has not ended")
        return False

    @property
    def is_lost(self) -> bool:
        """Whether there is no usable connection at the moment."""
        return self._proxy is None or bool(self._connect().closed)

    def wait_after(self, error: Exception) -> None:
        """
        Close a lost connection, and wait a moment before the next attempt.

        :raises LedgerUnavailable: the database has been unavailable for too long, or the ledger is closing;
            `OutcomeUnknown` if a commit is unanswered.
        """
        self._invalidate()
        if self._unavailable_since is None:
            _log.error("The database is unavailable: {why}", why=describe(error))
        self._wait(describe(error))

    def succeeded(self) -> None:
        """The database has executed something: it is available."""
        if self._unavailable_since is not None:
            self._unavailable_since = None
            _log.info("The database is available again.")

    def roll_back(self) -> None:
        """Roll the transaction back, and forget its commit."""
        self._unanswered = None
        if self._proxy is None:
            return
        try:
            self._connect().rollback()
        except psycopg.Error:
            self._invalidate()

    def close(self) -> None:
        """Close the connection."""
        if self._proxy is not None:
            self._proxy.close()
            self._proxy = None

    def _connect(self) -> psycopg.Connection:
        if self._proxy is None:
            self._proxy = self._engine.raw_connection()
            try:
                self._life = _set_up(cast("psycopg.Connection", self._proxy.driver_connection))
                if self._reconnects:
                    self._check_sessions()
                self._reconnects = True
            except Exception:
                # Without its settings it must not be used.
                self._invalidate()
                raise
            self._prepared = PreparedStatements()
        return cast("psycopg.Connection", self._proxy.driver_connection)

    def _check_sessions(self) -> None:
        """Refuse a pooler that has taken the place of what was checked at the start."""
        lost, logged = lost_sessions(self._engine), self._lost_sessions
        self._lost_sessions = lost
        if lost is not None:
            why = f"it is behind a pooler that {lost}; set pool_mode=session in pgbouncer"
            if lost != logged:
                _log.error("The database cannot be used: {why}", why=why)
            raise psycopg.OperationalError(why)

    def _wait(self, why: str) -> None:
        now = self._clock.seconds()
        if self._unavailable_since is None:
            self._unavailable_since = now
        waited = now - self._unavailable_since
        if waited > UNAVAILABLE_TIMEOUT_SECONDS or self._stopping.is_set():
            raise (LedgerUnavailable if self._unanswered is None else OutcomeUnknown)(why)
        self._stopping.wait(UNAVAILABLE_RETRY_SECONDS)

    def _invalidate(self) -> None:
        if self._proxy is not None:
            self._proxy.invalidate()
            self._proxy = None


def describe(error: Exception) -> str:
    """Describe a database error without the values that PostgreSQL's details repeat."""
    primary = getattr(getattr(error, "diag", None), "message_primary", None)
    if primary:
        return str(primary)
    # libpq's own messages, which repeat no values; a line for each address that it tried.
    lines = str(error).splitlines() if isinstance(error, psycopg.Error) else []
    return next(iter(lines), type(error).__name__)


def _set_up(connection: psycopg.Connection) -> str:
    """Set a new connection up; return its life, see `_LIFE`."""
    connection.execute(_SET_UP)
    row = connection.execute(_LIFE).fetchone()
    connection.commit()
    if row is None or row[0] is None:
        raise psycopg.OperationalError("the server is a standby")
    return str(row[0])


def _status(connection: psycopg.Connection, xid: str) -> str | None:
    """Return PostgreSQL's status of a transaction; None if there is no trace of it."""
    try:
        row = connection.execute(_STATUS, {"xid": xid}).fetchone()
    except errors.InvalidParameterValue:
        # The number has not been used yet: the crash came before anything of it reached the disk.
        row = None
    connection.rollback()
    return row[0] if row else None
