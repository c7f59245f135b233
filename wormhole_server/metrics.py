"""
What is counted: every series there is, with its help, its labels and its buckets.

Owns the names. Implements what the rendezvous server and the relay report to; they know nothing of it.
A label has a closed set of values, and every series exists from the start: a counter that springs into
being at its first event hides that event from `rate()`.

Everything here runs on the reactor's thread.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import TypeVar

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from rendezvous.errors import ErrorKind
from rendezvous.messages import CommandKind
from rendezvous.moods import Mood as MailboxMood
from rendezvous.observer import DropReason
from transit_relay.observer import ConnectionRecord, End, Fallback, Mood, State
from wormhole_server.metrics_site import LiveCounts

E = TypeVar("E", bound=enum.Enum)

# An fsync takes a tenth of a millisecond on a good SSD and some ten on a bad day of a busy one; what
# takes longer than a second is an outage, and how long it lasted is of no interest.
_COMMIT_SECONDS = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
# The ledger takes at most 200 operations into one batch.
_BATCH_OPERATIONS = (1, 2, 5, 10, 20, 50, 100, 200)
# From a text that was sent to a dilated wormhole that stayed for a day.
_SESSION_SECONDS = (0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 14400, 86400)
# One part in a hundred of what a person notices, up to what makes clients give up.
_LAG_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)


class RendezvousMetrics:
    """A `rendezvous.observer.Observer`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str) -> Counter:
            return Counter(f"wormhole_rendezvous_{name}", text, registry=registry)

        self._clients = Gauge(
            "wormhole_rendezvous_connected_clients",
            "Clients that are connected now.",
            registry=registry,
        )
        self._connections = counter("connections", "Clients that have connected.")
        self._dropped = _by(
            registry,
            "wormhole_rendezvous_dropped_clients",
            "Connections that the server has ended, by its reason.",
            "reason",
            DropReason,
        )
        self._commands = _by(
            registry,
            "wormhole_rendezvous_commands",
            "Messages that clients have sent, by what they ask for.",
            "command",
            CommandKind,
        )
        self._errors = _by(
            registry,
            "wormhole_rendezvous_errors",
            "Errors that clients were told of, by kind.",
            "kind",
            ErrorKind,
        )
        self._oversized = counter(
            "oversized_messages", "Messages over the size limit, which ended their connection."
        )
        self._retired_nameplates = _by(
            registry,
            "wormhole_rendezvous_retired_nameplates",
            "Nameplates that are gone, by how they ended.",
            "mood",
            MailboxMood,
        )
        self._retired_mailboxes = _by(
            registry,
            "wormhole_rendezvous_retired_mailboxes",
            "Mailboxes that are gone, by how they ended.",
            "mood",
            MailboxMood,
        )
        self._nameplates = Gauge(
            "wormhole_rendezvous_live_nameplates",
            "Nameplates in the database, over all instances; NaN while it does not answer.",
            registry=registry,
        )
        self._mailboxes = Gauge(
            "wormhole_rendezvous_live_mailboxes",
            "Mailboxes in the database, over all instances; NaN while it does not answer.",
            registry=registry,
        )
        self._commit_seconds = Histogram(
            "wormhole_rendezvous_ledger_commit_seconds",
            "How long a batch of operations took to become durable.",
            buckets=_COMMIT_SECONDS,
            registry=registry,
        )
        self._batch_operations = Histogram(
            "wormhole_rendezvous_ledger_batch_operations",
            "How many operations were committed together.",
            buckets=_BATCH_OPERATIONS,
            registry=registry,
        )
        self._failed_batches = counter(
            "ledger_failed_batches",
            "Batches that were rolled back over a database error and tried again one by one.",
        )
        self._failed_expiries = counter(
            "failed_expiries", "Steps of expiry that failed and were put off until the next turn."
        )
        self._internal_errors = counter(
            "internal_errors", "Exceptions that nobody foresaw; the log has them."
        )
        self.show_live_counts(None)

    def show_live_counts(self, counts: LiveCounts | None) -> None:
        """What the database has; None where it does not say."""
        self._nameplates.set(float("nan") if counts is None else counts.nameplates)
        self._mailboxes.set(float("nan") if counts is None else counts.mailboxes)

    def connected(self) -> None:
        """A client's WebSocket is open."""
        self._clients.inc()
        self._connections.inc()

    def disconnected(self) -> None:
        """It is gone, whoever ended it."""
        self._clients.dec()

    def dropped(self, reason: DropReason) -> None:
        """The server is ending a connection."""
        self._dropped[reason].inc()
        if reason is DropReason.OVERSIZED:
            self._oversized.inc()

    def command(self, kind: CommandKind) -> None:
        """A message arrived from a client."""
        self._commands[kind].inc()

    def error(self, kind: ErrorKind) -> None:
        """A client was told of an error."""
        self._errors[kind].inc()

    def nameplate_retired(self, mood: MailboxMood) -> None:
        """A nameplate is gone, durably."""
        self._retired_nameplates[mood].inc()

    def mailbox_retired(self, mood: MailboxMood) -> None:
        """A mailbox is gone with its messages, durably."""
        self._retired_mailboxes[mood].inc()

    def batch_committed(self, operations: int, seconds: float) -> None:
        """A transaction of so many operations is durable; its commit took so long."""
        self._batch_operations.observe(operations)
        self._commit_seconds.observe(seconds)

    def batch_failed(self) -> None:
        """A transaction was rolled back over a database error and is tried again one by one."""
        self._failed_batches.inc()

    def expiry_failed(self) -> None:
        """A step of expiry failed and is put off until the next turn."""
        self._failed_expiries.inc()

    def internal_error(self) -> None:
        """An exception that nobody foresaw was logged."""
        self._internal_errors.inc()


class RelayMetrics:
    """A `transit_relay.observer.Observer`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        connections = Gauge(
            "wormhole_relay_connected",
            "Connections that are there now, by how they came and what they are doing.",
            ["end", "state"],
            registry=registry,
        )
        self._connected = {
            (end, state): connections.labels(end.value, state.value)
            for end in End
            for state in State
        }
        self._connections = _by(
            registry,
            "wormhole_relay_connections",
            "Connections that have come, by how.",
            "end",
            End,
        )
        self._finished = _by(
            registry,
            "wormhole_relay_finished_connections",
            "Connections that are gone, by how they ended.",
            "mood",
            Mood,
        )
        self._pairs = Counter(
            "wormhole_relay_pairs",
            "Pairs that have met and are gone again.",
            registry=registry,
        )
        self._bytes = Counter(
            "wormhole_relay_bytes",
            "Bytes handed on, both directions together.",
            registry=registry,
        )
        self._session_seconds = Histogram(
            "wormhole_relay_session_seconds",
            "How long pairs lasted, from the moment when they met.",
            buckets=_SESSION_SECONDS,
            registry=registry,
        )
        self._fallbacks = _by(
            registry,
            "wormhole_relay_link_fallbacks",
            "Ways of a pair whose bytes went through the process, not through the kernel, by why.",
            "reason",
            Fallback,
        )
        self._pipe_memory = Gauge(
            "wormhole_relay_pipe_memory_bytes",
            "Kernel memory in pipes that the relay holds now.",
            registry=registry,
        )
        self._internal_errors = Counter(
            "wormhole_relay_internal_errors",
            "Exceptions that nobody foresaw, each of which closed a connection; the log has them.",
            registry=registry,
        )

    def connection_state(self, link_end: End, before: State | None, after: State | None) -> None:
        """A connection goes from one state to the next; None: not, or no longer, here."""
        if before is None:
            self._connections[link_end].inc()
        else:
            self._connected[link_end, before].dec()
        if after is not None:
            self._connected[link_end, after].inc()

    def relayed(self, byte_count: int) -> None:
        """So many bytes more were handed on."""
        self._bytes.inc(byte_count)

    def finished(self, record: ConnectionRecord) -> None:
        """A connection is gone."""
        self._finished[record.mood].inc()
        if record.pair is not None and record.mood is not Mood.JILTED:
            self._pairs.inc()
            self._session_seconds.observe(record.pair.total_seconds - record.pair.waiting_seconds)

    def internal_error(self) -> None:
        """Our own code failed while it dealt with one connection."""
        self._internal_errors.inc()

    def fell_back(self, why: Fallback) -> None:
        """One way of a pair, which the kernel was to serve, goes through the process."""
        self._fallbacks[why].inc()

    def pipe_memory(self, byte_count: int) -> None:
        """Kernel memory in pipes is now so much."""
        self._pipe_memory.set(byte_count)


class ProcessMetrics:
    """The process itself: what the kernel says of it, and how long its reactor keeps events waiting."""

    def __init__(self, registry: CollectorRegistry, version: str) -> None:
        ProcessCollector(namespace="wormhole", registry=registry)
        self.reactor_lag_seconds = Histogram(
            "wormhole_process_reactor_lag_seconds",
            "How late a timer ran: what any event has to wait for those before it.",
            buckets=_LAG_SECONDS,
            registry=registry,
        )
        self._lost_usage = Counter(
            "wormhole_process_lost_usage_records",
            "Usage records of the relay that could not be written.",
            registry=registry,
        )
        Gauge(
            "wormhole_process_info",
            "Always 1; its label is the version.",
            ["version"],
            registry=registry,
        ).labels(version).set(1)

    def usage_lost(self, records: int) -> None:
        """So many usage records were not written."""
        self._lost_usage.inc(records)


class Metrics:
    """
    All of them, in a registry of their own.

    :ivar registry: what `/metrics` is made from.
    """

    def __init__(self, version: str) -> None:
        # One `_created` series beside every counter doubles a page that nobody reads them on.
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self.rendezvous = RendezvousMetrics(self.registry)
        self.relay = RelayMetrics(self.registry)
        self.process = ProcessMetrics(self.registry, version)


def _by(
    registry: CollectorRegistry, name: str, text: str, label: str, values: Iterable[E]
) -> dict[E, Counter]:
    """A counter for each member of an enumeration, made once: looking labels up is slow."""
    counter = Counter(name, text, [label], registry=registry)
    return {value: counter.labels(value.value) for value in values}
