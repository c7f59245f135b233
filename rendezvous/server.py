"""
The rendezvous server: what all connections share.

Owns the way of a request through the ledger and what follows from its result: who is told of a stored
message, which mailboxes have somebody connected, what is counted. Knows no wire and no sockets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Protocol, TypeVar

import attrs
import sqlalchemy as sa
from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from rendezvous import expiry, mailboxes, requests, schema
from rendezvous.condition import Condition
from rendezvous.errors import LedgerUnavailable, Refusal
from rendezvous.hearing import Hearing
from rendezvous.heartbeat import Heartbeat
from rendezvous.keys import mailbox_key
from rendezvous.ledger import Ledger
from rendezvous.observer import Observer
from rendezvous.operations import Operations
from rendezvous.requests import Page, Request, Result
from rendezvous.statements import Transaction, prepare
from rendezvous.subscriptions import Address, Subscriptions
from rendezvous.sweeper import AskTime, Forget, Lifetimes, Sweeper
from rendezvous.usage import Usage

T = TypeVar("T")

_log = Logger()


@attrs.frozen
class Limits:
    """
    What a client may take.

    :ivar send_buffer_bytes: a client that does not read is dropped when so much waits for it.
    :ivar ping_seconds: between WebSocket pings; 0 turns them off.
    :ivar ping_timeout_seconds: a client that has been silent for so long after a ping is dropped.
    :ivar pending_commands: as many commands of a client may wait for their results before no more is
        read from it.
    """

    send_buffer_bytes: int = 4 * 1024 * 1024
    ping_seconds: float = 60.0
    ping_timeout_seconds: float = 120.0
    pending_commands: int = 100


@attrs.frozen
class Welcome:
    """What a client is greeted with."""

    motd: str | None = None
    error: str | None = None
    current_cli_version: str | None = None

    def values(self, address: dict[str, object] | None) -> dict[str, object]:
        """As they stand in the message, for a client at `address`."""
        values: dict[str, object] = {
            key: value for key, value in attrs.asdict(self).items() if value is not None
        }
        if address is not None:
            values["your-address"] = address
        return values


class Stalled(Protocol):
    """A client for whom more waits than the system takes."""

    @property
    def waiting_bytes(self) -> int: ...


@attrs.frozen
class LiveCounts:
    """How many there are in the database."""

    nameplates: int
    mailboxes: int


_COUNTS = prepare(
    sa.select(
        sa.select(sa.func.count()).select_from(schema.nameplates).scalar_subquery(),
        sa.select(sa.func.count()).select_from(schema.mailboxes).scalar_subquery(),
    )
)


class Rendezvous:
    """
    One instance of the server.

    :ivar welcome: who connects from now on is greeted with it; see `change`.
    :ivar limits: looked at whenever one is about to be reached; see `change`.
    :param forget: deletes more usage records, of another part of the program, when theirs grow old.
    :param ask_time: the database's time of day, where it has a clock of its own.
    :param instance: what it is called in the announcements that its ledger makes.
    :ivar stalled: the clients for whom more waits than the system takes.
    """

    def __init__(
        self,
        clock: IReactorTime,
        ledger: Ledger,
        observer: Observer,
        *,
        welcome: Welcome | None = None,
        limits: Limits | None = None,
        lifetimes: Lifetimes | None = None,
        usage: Usage | None = None,
        list_allowed: bool = True,
        forget: Sequence[Forget] = (),
        ask_time: AskTime | None = None,
        instance: str = "",
    ) -> None:
        self.clock = clock
        self.observer = observer
        self.welcome = welcome or Welcome()
        self.limits = limits or Limits()
        self.subscriptions = Subscriptions()
        self.stalled: set[Stalled] = set()
        self.heartbeat = Heartbeat(
            clock, self.limits.ping_seconds, self.limits.ping_timeout_seconds
        )
        self.condition = Condition(clock, ledger)
        self.hearing = Hearing(clock, ledger, self.subscriptions, observer, instance)
        self._ledger = ledger
        self._usage = usage or Usage()
        self._operations = Operations(self._usage, list_allowed=list_allowed)
        self._sweeper = Sweeper(
            clock,
            ledger,
            self.subscriptions,
            self._usage,
            lifetimes or Lifetimes(),
            observer,
            forget,
            ask_time,
        )
        self._next_lane = 0

    def change(
        self,
        *,
        welcome: Welcome,
        limits: Limits,
        lifetimes: Lifetimes,
        usage: Usage,
        list_allowed: bool,
    ) -> None:
        """Go on with other values than those that it was made with."""
        self.welcome = welcome
        self.limits = limits
        self.heartbeat.change(limits.ping_seconds, limits.ping_timeout_seconds)
        self._usage = usage
        # Which nameplates are free is remembered by the allocator, which stays.
        self._operations = attrs.evolve(self._operations, usage=usage, list_allowed=list_allowed)
        self._sweeper.change(lifetimes, usage)

    def start(self) -> None:
        """Begin to ping and to expire."""
        self.heartbeat.start()
        self._sweeper.start()

    def stop(self) -> None:
        """No timer runs after this. The ledger is the caller's to close."""
        self.heartbeat.stop()
        self.hearing.stop()
        self._sweeper.stop()

    def new_lane(self) -> int:
        """For a new connection: its operations keep their order, and connections share the lanes."""
        self._next_lane += 1
        return self._next_lane

    def perform(self, request: Request, lane: int) -> Deferred[Result]:
        """
        Carry out a request.

        :return: fires with its result once that is durable, and with `Refusal` or `LedgerUnavailable`
            where there is none. Whoever listens hears of it behind this Deferred's own callbacks.
        """
        operation, keys = self._operations.of(request, self.clock.seconds())
        size = len(request.body) if isinstance(request, requests.AddMessage) else 0
        return self._ledger.submit(operation, lane=lane, keys=keys, size=size)

    def doubt(self) -> None:
        """A request may have been carried out though its result never came."""
        self.hearing.doubt()

    def performed(self, request: Request, result: Result) -> None:
        """What follows from a result, after the client itself has been answered."""
        match result:
            case requests.Added(message, box):
                if isinstance(request, requests.AddMessage):
                    self.subscriptions.stored((request.app, request.mailbox), box, message)
            case requests.Released(mood) if mood is not None:
                if isinstance(request, requests.ReleaseNameplate):
                    self._operations.allocator.freed(request.app, request.nameplate)
                self.observer.nameplate_retired(mood)
            case requests.Closed(mood, nameplate_mood) if mood is not None:
                self.observer.mailbox_retired(mood)
                if nameplate_mood is not None:
                    self.observer.nameplate_retired(nameplate_mood)
            case _:
                pass

    def read_page(self, address: Address, number: int, lane: int) -> Deferred[Page]:
        """A page of a mailbox's messages from `number` on."""
        app, mailbox = address
        read = partial(mailboxes.read_page, app=app, mailbox=mailbox, number=number)
        return self._ledger.submit(read, lane=lane)

    def record_client(self, record: requests.RecordClient, lane: int) -> None:
        """Note which program a client is; nobody waits for that."""
        note = partial(
            self._usage.client_bound,
            app=record.app,
            implementation=record.implementation,
            version=record.version,
            now=self.clock.seconds(),
        )
        self._unwatched(note, lane)

    def left(self, addresses: Iterable[Address], lane: int) -> None:
        """A client has gone that had to do with these mailboxes: their time to expire begins now."""
        some = sorted(addresses)
        for address in some:
            self.subscriptions.leave(address)
        if some:
            now = self.clock.seconds()
            keys = [mailbox_key(*address) for address in some]
            self._unwatched(partial(expiry.touch_mailboxes, addresses=some, now=now), lane, keys)

    def live_counts(self) -> Deferred[LiveCounts]:
        """Count what is in the database."""

        def count(tx: Transaction) -> LiveCounts:
            row = tx.one(_COUNTS)
            return LiveCounts(*(row or (0, 0)))

        return self._ledger.submit(count)

    def check_database(self) -> Deferred[None]:
        """
        Fires when the database has answered, takes what it is given and tells of what other instances
        store.

        Fails with `LedgerUnavailable` when it does not.
        """
        if self.hearing.deaf_now:
            return fail(LedgerUnavailable("not listening to other instances"))

        return self.condition.check()

    def _unwatched(
        self, operation: Callable[[Transaction], object], lane: int, keys: Sequence[str] = ()
    ) -> None:
        def failed(failure: Failure) -> None:
            if failure.check(LedgerUnavailable):
                self.condition.refused()
            elif failure.check(Refusal) is None:
                self.observer.internal_error()
                _log.failure("an operation in the background failed", failure)

        self._ledger.submit(operation, lane=lane, keys=keys).addErrback(failed)
