"""
The rendezvous server: what all connections share.

Owns the way of a command to the ledger, the settings that may change while the server runs, and what is known
of the database as a whole. Knows no sockets, and no command by its name.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Protocol, TypeVar

import attrs
import sqlalchemy as sa
from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from rendezvous.announcements import Announcements
from rendezvous.commands.command import Command, Context
from rendezvous.condition import DatabaseCondition
from rendezvous.errors import DiskFull, LedgerUnavailable, Refusal
from rendezvous.heartbeat import Heartbeat
from rendezvous.ledger.keys import mailbox_key
from rendezvous.ledger.ledger import Ledger
from rendezvous.ledger.queue import Job
from rendezvous.ledger.statements import prepare_query
from rendezvous.ledger.transaction import Transaction
from rendezvous.observer import RendezvousObserver, contained
from rendezvous.permissions import Permissions
from rendezvous.rules import expiry, messages, schema
from rendezvous.rules.allocation import Allocator
from rendezvous.rules.messages import MailboxLimits, Page
from rendezvous.rules.usage import Usage
from rendezvous.sharing.accounts import Accounts, AddressLimits
from rendezvous.sharing.allowance import Shares
from rendezvous.sharing.disk import DiskReserve, DiskSpace
from rendezvous.sharing.guesses import Guesses
from rendezvous.subscriptions import Address, Subscriptions
from rendezvous.sweeper import DatabaseTime, ForgetUsage, GiveBack, Lifetimes, Sweeper
from rendezvous.welcome import Welcome
from wormhole_limits.bounds import BoundObserver, contained_bounds
from wormhole_limits.recent_addresses import KnownAddresses
from wormhole_limits.scheduler import TRANSACTION_UNITS, Task

R = TypeVar("R")

_log = Logger()

# Storing a message and sending it costs about 2 µs for so many bytes.
_BYTES_OF_UNIT = 256


@attrs.frozen
class Limits:
    """
    What a client may take.

    :ivar send_buffer_bytes: a client that does not read is dropped when more than this waits for it.
    :ivar ping_seconds: between WebSocket pings; 0 turns them off.
    :ivar ping_timeout_seconds: a client that has been silent for so long after a ping is dropped.
    :ivar mailbox: what a mailbox may hold.
    :ivar address: what one address may take.
    :ivar listeners: how many connections of a side may listen to a mailbox; None for no limit.
    :ivar guesses: how many wrong guesses at nameplates an address may make in an hour before its claims are
        delayed; None for no limit.
    :ivar disk_reserve: bytes of the disk that are left free; None for the automatic reserve, 0 for none.
    :ivar pending_commands: when so many commands of a client wait for their answers, nothing more is read
        from it until half of them are answered.
    """

    send_buffer_bytes: int
    ping_seconds: float
    ping_timeout_seconds: float
    pending_commands: int
    mailbox: MailboxLimits
    address: AddressLimits
    listeners: int | None
    guesses: int | None
    disk_reserve: int | None


class StalledClient(Protocol):
    """A client that does not read what it is sent."""

    @property
    def waiting_bytes(self) -> int:
        """How much waits for it, beyond what the operating system holds."""


@attrs.frozen
class LiveCounts:
    """How many there are in the database."""

    nameplates: int
    mailboxes: int


def _count(table: sa.Table) -> sa.Label[int]:
    return sa.select(sa.func.count()).select_from(table).scalar_subquery().label(table.name)


_COUNTS = prepare_query(sa.select(_count(schema.nameplates), _count(schema.mailboxes)), LiveCounts)


class Rendezvous(MultiService):
    """
    One instance of the rendezvous server: a service whose children ping, expire and catch up.

    The ledger is the caller's to open and to close.

    :param clock: runs timers and measures durations.
    :param day: returns the time of day, in seconds since the epoch: what is written down.
    :param deny: returns the message for a client that is on the deny list; None: it is not.
    :param over_bound: returns whether the address with this key has met a bound lately, see `block_of`.
    :param forget: each deletes old usage records of another part of the program.
    :param database_time: reads the database's time of day, if it has a clock of its own.
    :param read_disk: reads how full the database's disk is; returns None if that is not known.
    :param give_back: gives free space back to the disk, if the database does not by itself.
    :param instance: names this instance in the announcements that its ledger makes.

    :ivar bounds: told of the bounds that clients meet; never raises.
    :ivar scheduler: the ledger's, which all connections share.
    :ivar welcome: what new clients are sent first; see `change`.
    :ivar limits: see `change`.
    :ivar permissions: see `change`.
    :ivar context: what commands use; replaced as a whole by `change`.
    :ivar shares: what clients share.
    :ivar stalled: the clients that do not read what they are sent.
    :ivar known: the addresses of its clients, and of those that left lately.
    """

    def __init__(
        self,
        clock: IReactorTime,
        day: Callable[[], float],
        ledger: Ledger,
        observer: RendezvousObserver,
        bounds: BoundObserver,
        *,
        welcome: Welcome,
        limits: Limits,
        lifetimes: Lifetimes,
        usage: Usage,
        list_allowed: bool,
        permissions: Permissions,
        deny: Callable[[IAddress], str | None],
        over_bound: Callable[[int], bool],
        forget: Sequence[ForgetUsage] = (),
        database_time: DatabaseTime | None = None,
        read_disk: Callable[[], DiskSpace | None] = lambda: None,
        give_back: GiveBack | None = None,
        instance: str = "",
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.clock = clock
        self.day = day
        self.observer = observer = contained(observer)
        self.bounds = bounds = contained_bounds(bounds)
        self.scheduler = ledger.scheduler
        self.welcome = welcome
        self.limits = limits
        self.permissions = permissions
        self.deny = deny
        self.over_bound = over_bound
        self.subscriptions = Subscriptions()
        self.shares = Shares(
            Accounts(limits.address),
            Guesses(limits.guesses),
            DiskReserve(read_disk, limits.disk_reserve),
            self.subscriptions,
            limits.listeners,
        )
        self.context = Context(
            observer,
            bounds,
            self.subscriptions,
            usage,
            Allocator(secrets.randbelow),
            list_allowed,
            limits.mailbox,
            self.shares.accounts,
        )
        self.stalled: set[StalledClient] = set()
        self.known = KnownAddresses(clock.seconds)
        self.heartbeat = Heartbeat(
            clock, observer, limits.ping_seconds, limits.ping_timeout_seconds
        )
        self.condition = DatabaseCondition(clock, ledger)
        self.announcements = Announcements(clock, ledger, self.subscriptions, observer, instance)
        self._ledger = ledger
        self._sweeper = Sweeper(
            clock,
            day,
            ledger,
            self.subscriptions,
            usage,
            lifetimes,
            observer,
            forget,
            database_time,
            self.shares,
            give_back,
        )
        for child in (self.heartbeat, self.announcements, self._sweeper):
            child.setServiceParent(self)  # type: ignore[no-untyped-call]
        self._next_lane = 0

    def change(
        self,
        *,
        welcome: Welcome,
        limits: Limits,
        lifetimes: Lifetimes,
        usage: Usage,
        list_allowed: bool,
        permissions: Permissions,
    ) -> None:
        """Replace the settings that it was made with."""
        self.welcome = welcome
        self.limits = limits
        self.permissions = permissions
        self.shares.change(limits.address, limits.guesses, limits.disk_reserve, limits.listeners)
        self.heartbeat.change(limits.ping_seconds, limits.ping_timeout_seconds)
        self.context = attrs.evolve(
            self.context, usage=usage, list_allowed=list_allowed, mailbox_limits=limits.mailbox
        )
        self._sweeper.change(lifetimes, usage)

    def new_lane(self) -> int:
        """Return the lane of a new connection: its operations keep their order there."""
        self._next_lane += 1
        return self._next_lane

    def perform(
        self, command: Command[R], lane: int, task: Task, done: Callable[[R | Failure], object]
    ) -> None:
        """
        Have the ledger carry out a command.

        :param task: of its connection.
        :param done: called with the result once that is durable, or with the `Failure` that is a `Refusal` or
            `LedgerUnavailable`.
        """
        operation = partial(command.perform, context=self.context)
        size = command.size
        task.uncounted += TRANSACTION_UNITS + size // _BYTES_OF_UNIT
        self._ledger.run(Job(operation, done, command.keys, size, lane, task))

    def perform_unwatched(self, command: Command[Any], lane: int, task: Task) -> None:
        """Have the ledger carry out a command that has been answered; see `perform`."""
        self._unwatched(partial(command.perform, context=self.context), lane, command.keys, task)

    def doubt(self) -> None:
        """A command may have been carried out though its result never came."""
        self.announcements.include_own()

    def read_page(self, address: Address, number: int, lane: int, task: Task) -> Deferred[Page]:
        """Read the page of a mailbox's messages that begins with `number`."""
        app, mailbox = address
        read = partial(messages.read_page, app=app, mailbox=mailbox, number=number)
        self.scheduler.spend(task, TRANSACTION_UNITS)
        return self._ledger.submit(read, lane=lane, task=task)

    def left(self, addresses: Iterable[Address], lane: int, task: Task) -> None:
        """A client that used these mailboxes is gone: the time until they expire begins now."""
        some = sorted(addresses)
        for address in some:
            self.subscriptions.leave(address)
        if some:
            now = self.day()
            keys = [mailbox_key(*address) for address in some]
            self._unwatched(
                partial(expiry.touch_mailboxes, addresses=some, now=now), lane, keys, task
            )

    def live_counts(self) -> Deferred[LiveCounts]:
        """Count the nameplates and mailboxes in the database."""

        def count(tx: Transaction) -> LiveCounts:
            return tx.one(_COUNTS) or LiveCounts(0, 0)

        return self._ledger.submit(count)

    def check_database(self) -> Deferred[None]:
        """
        Check that the database answers and stores, and that other instances' messages are announced here.

        :return: fails with `LedgerUnavailable` if one of them is not so.
        """
        self.shares.disk.refresh()
        if not self.shares.disk.has_room(self.clock.seconds()):
            return fail(DiskFull("the database's disk is nearly full; free some space on it"))
        if self.announcements.interrupted:
            return fail(LedgerUnavailable("announcements of other instances do not arrive"))

        return self.condition.check()

    def report(self, failure: Failure) -> None:
        """Count and log an unexpected exception, which somebody has contained."""
        self.observer.internal_error()
        _log.failure("An unexpected exception in the rendezvous server", failure)

    def _unwatched(
        self,
        operation: Callable[[Transaction], object],
        lane: int,
        keys: Sequence[str],
        task: Task,
    ) -> None:
        def done(outcome: object) -> None:
            if isinstance(outcome, Failure) and not outcome.check(Refusal, LedgerUnavailable):
                self.report(outcome)

        self.scheduler.spend(task, TRANSACTION_UNITS)
        self._ledger.run(Job(operation, done, keys, 0, lane, task))
