"""
What is counted of the rendezvous server: who comes, what they ask, how it ends, how long it takes.

Owns these series. Implements what the rendezvous server reports to, which knows nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry

from rendezvous.errors import ErrorKind
from rendezvous.ledger import Backlog
from rendezvous.messages import CommandKind
from rendezvous.moods import Mood
from rendezvous.observer import DropReason
from rendezvous.server import Rendezvous
from wormhole_server.metrics_series import Series, count_of
from wormhole_server.metrics_site import LiveCounts

# From a commit on a good SSD to the half minute for which commands wait for a database that has gone.
# Below 5 ms nobody notices; from 250 ms on everybody does.
_ANSWER_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0)
# An fsync takes a tenth of a millisecond on a good SSD and some ten on a bad day of a busy one; what
# takes longer than a second is an outage, and how long it lasted is of no interest.
_COMMIT_SECONDS = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
# The ledger takes at most 200 operations into one batch.
_BATCH_OPERATIONS = (1, 2, 5, 10, 20, 50, 100, 200)


class RendezvousMetrics:
    """A `rendezvous.observer.Observer`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        series = self._series = Series(registry, "wormhole_rendezvous")
        self._clients = series.gauge("connected_clients", "Clients that are connected now.")
        self._connections = series.counter("connections", "Clients that have connected.")
        self._dropped = series.by(
            "dropped_clients",
            "Connections that the server has ended, by its reason.",
            "reason",
            DropReason,
        )
        self._commands = series.by(
            "commands",
            "Messages that clients have sent, by what they ask for.",
            "command",
            CommandKind,
        )
        self._errors = series.by(
            "errors", "Errors that clients were told of, by kind.", "kind", ErrorKind
        )
        self._oversized = series.counter(
            "oversized_messages", "Messages over the size limit, which ended their connection."
        )
        self._retired_nameplates = series.by(
            "retired_nameplates", "Nameplates that are gone, by how they ended.", "mood", Mood
        )
        self._retired_mailboxes = series.by(
            "retired_mailboxes", "Mailboxes that are gone, by how they ended.", "mood", Mood
        )
        self._nameplates = series.gauge(
            "live_nameplates",
            "Nameplates in the database, over all instances; NaN while it does not answer.",
        )
        self._mailboxes = series.gauge(
            "live_mailboxes",
            "Mailboxes in the database, over all instances; NaN while it does not answer.",
        )
        self._database_up = series.gauge(
            "database_up",
            "1 where the database answers and takes what it is given, else 0.",
        )
        self._answer_seconds = series.quick_histogram(
            "answer_seconds",
            "From a command to its answer, where that had to be durable first or to be looked up.",
            _ANSWER_SECONDS,
        )
        self._delivery_seconds = series.quick_histogram(
            "delivery_seconds",
            "From a message's arrival, on whichever instance, until a connected listener is sent it.",
            _ANSWER_SECONDS,
        )
        self._commit_seconds = series.histogram(
            "ledger_commit_seconds",
            "How long a batch of operations took to become durable.",
            _COMMIT_SECONDS,
        )
        self._batch_operations = series.histogram(
            "ledger_batch_operations",
            "How many operations were committed together.",
            _BATCH_OPERATIONS,
        )
        self._failed_batches = series.counter(
            "ledger_failed_batches",
            "Batches that were rolled back over a database error and tried again one by one.",
        )
        self._failed_expiries = series.counter(
            "failed_expiries", "Steps of expiry that failed and were put off until the next turn."
        )
        self._announcements = series.counter(
            "announcements", "Times that another instance has told of messages that it has stored."
        )
        self._catch_ups = series.counter(
            "catch_ups",
            "Times that all mailboxes were looked at, since an announcement may have been missed.",
        )
        self._internal_errors = series.counter(
            "internal_errors", "Exceptions that nobody foresaw; the log has them."
        )
        self.show_live_counts(None)

    def watch(self, backlog: Callable[[], Backlog], rendezvous: Rendezvous) -> None:
        """Show what the ledger has to do and what clients do not read, whenever somebody asks."""
        read = self._series.read
        read(
            "ledger_waiting_operations",
            "Operations that wait for the batch before theirs to become durable.",
            lambda: backlog().waiting,
        )
        read(
            "ledger_waiting_bytes",
            "Message bytes in the operations that wait.",
            lambda: backlog().waiting_bytes,
        )
        read(
            "ledger_running_operations",
            "Operations in the batches that are on their way to the disk or the database.",
            lambda: backlog().running,
        )
        read(
            "ledger_lanes",
            "Batches that can be on their way at once: 1 on SQLite, --database-threads on PostgreSQL.",
            lambda: backlog().lanes,
        )
        read("ledger_busy_lanes", "Batches that are on their way.", lambda: backlog().busy_lanes)
        read(
            "stalled_clients",
            "Clients that do not read what they are sent, beyond what the system holds for them.",
            lambda: len(rendezvous.stalled),
        )
        read(
            "send_buffer_bytes",
            "What is held for the clients that do not read.",
            lambda: sum(client.waiting_bytes for client in rendezvous.stalled),
        )
        read(
            "hearing",
            "1 where messages stored by other instances are heard of, and where there are none; else 0.",
            lambda: not rendezvous.hearing.deaf_now,
        )

    def outcomes(self) -> dict[Mood, int]:
        """How exchanges have ended since the process began."""
        return {mood: count_of(counter) for mood, counter in self._retired_mailboxes.items()}

    def show_live_counts(self, counts: LiveCounts | None) -> None:
        """What the database has; None where it does not say."""
        self._database_up.set(counts is not None)
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

    def answered(self, seconds: float) -> None:
        """A command that had to ask the ledger was answered, so long after it had come."""
        self._answer_seconds.observe(seconds)

    def delivered(self, seconds: float) -> None:
        """A message was handed to a listener that was there before it, so long after it had come."""
        self._delivery_seconds.observe(seconds)

    def announced(self) -> None:
        """Another instance has told of messages that it has stored."""
        self._announcements.inc()

    def caught_up(self) -> None:
        """Announcements may have been missed: all mailboxes that are listened to are looked at."""
        self._catch_ups.inc()

    def nameplate_retired(self, mood: Mood) -> None:
        """A nameplate is gone, durably."""
        self._retired_nameplates[mood].inc()

    def mailbox_retired(self, mood: Mood) -> None:
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
