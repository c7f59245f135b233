"""
Metrics of the rendezvous server: clients, their commands, how exchanges end, and how long everything takes.

Owns these series. `rendezvous` knows its observer only, not this module.
"""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry

from rendezvous.errors import ErrorKind
from rendezvous.ledger.ledger import Backlog
from rendezvous.observer import DropReason, RendezvousObserver
from rendezvous.protocol.conversation import CommandKind
from rendezvous.protocol.moods import Mood, Retired
from rendezvous.server import LiveCounts, Rendezvous
from wormhole_server.metrics.series import Series, count_of

# From a commit on a good SSD to the half minute that commands wait for an unavailable database. Below 5 ms
# nobody notices; from 250 ms on everybody does.
_ANSWER_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0)
# An fsync takes a tenth of a millisecond on a good SSD, and some ten milliseconds on a busy one. More than a
# second is an outage, whose length does not matter here.
_COMMIT_SECONDS = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
# A batch has at most 200 operations.
_BATCH_OPERATIONS = (1, 2, 5, 10, 20, 50, 100, 200)


class RendezvousMetrics(RendezvousObserver):
    """Counts what the rendezvous server reports."""

    def __init__(self, registry: CollectorRegistry) -> None:
        series = self._series = Series(registry, "wormhole_rendezvous")
        self._clients = series.gauge("connected_clients", "Clients that are connected now.")
        self._connections = series.counter("connections", "Clients that have connected.")
        self._dropped = series.by(
            "dropped_clients",
            "Connections that the server closed, by reason.",
            "reason",
            DropReason,
        )
        self._commands = series.quick_by(
            "commands",
            "Commands that clients have sent, by kind.",
            "command",
            CommandKind,
        )
        self._errors = series.by(
            "errors", "Errors that were sent to clients, by kind.", "kind", ErrorKind
        )
        self._oversized = series.counter(
            "oversized_messages",
            "Messages over the size limit, each of which closed its connection.",
        )
        self._retired_nameplates = series.by(
            "retired_nameplates", "Nameplates that have ended, by mood.", "mood", Mood
        )
        self._retired_mailboxes = series.by(
            "retired_mailboxes", "Mailboxes that have ended, by mood.", "mood", Mood
        )
        self._web_transfers = series.by(
            "web_transfers",
            "Transfers that web clients have ended, each end by itself, by the mood that it gave.",
            "mood",
            Mood,
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
            "1 if the database answers and accepts writes, else 0.",
        )
        self._answer_seconds = series.quick_histogram(
            "answer_seconds",
            "Time from a command to its answer, where the answer needs the database.",
            _ANSWER_SECONDS,
        )
        self._delivery_seconds = series.quick_histogram(
            "delivery_seconds",
            "Time from a message's arrival, at any instance, until it is sent to a connected listener.",
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
            "Batches that were rolled back for a database error and repeated one operation at a time.",
        )
        self._failed_expiries = series.counter(
            "failed_expiries",
            "Steps of expiry that failed; they are repeated at the next interval.",
        )
        self._announcements = series.counter(
            "announcements", "Announcements of stored messages that other instances have sent."
        )
        self._catch_ups = series.counter(
            "catch_ups",
            "Times that all open mailboxes were read again, because an announcement may have been missed.",
        )
        self._internal_errors = series.counter(
            "internal_errors", "Unexpected exceptions; the log has a traceback of each."
        )
        self.show_live_counts(None)

    def watch(self, backlog: Callable[[], Backlog], rendezvous: Rendezvous) -> None:
        """Show the backlog of the ledger and of clients that do not read, read when the page is requested."""
        read = self._series.read
        read(
            "ledger_waiting_operations",
            "Operations that wait until the batch before theirs is durable.",
            lambda: backlog().waiting,
        )
        read(
            "ledger_waiting_bytes",
            "Message bytes in the waiting operations.",
            lambda: backlog().waiting_bytes,
        )
        read(
            "ledger_running_operations",
            "Operations in the batches that are being committed.",
            lambda: backlog().running,
        )
        read(
            "ledger_lanes",
            "Batches that can be committed at once: 1 on SQLite, --database-threads on PostgreSQL.",
            lambda: backlog().lanes,
        )
        read("ledger_busy_lanes", "Batches that are being committed.", lambda: backlog().busy_lanes)
        read(
            "stalled_clients",
            "Clients that do not read what they are sent, beyond what the kernel buffers for them.",
            lambda: len(rendezvous.stalled),
        )
        read(
            "send_buffer_bytes",
            "Bytes that are buffered for clients that do not read.",
            lambda: sum(client.waiting_bytes for client in rendezvous.stalled),
        )
        read(
            "hearing",
            "1 if announcements of other instances arrive, or there are no other instances; else 0.",
            lambda: not rendezvous.announcements.interrupted,
        )

    def outcomes(self) -> dict[Mood, int]:
        """Return how many exchanges have ended since the process began, by mood."""
        return {mood: count_of(counter) for mood, counter in self._retired_mailboxes.items()}

    def show_live_counts(self, counts: LiveCounts | None) -> None:
        """Show what is in the database; None where it does not answer."""
        self._database_up.set(counts is not None)
        self._nameplates.set(float("nan") if counts is None else counts.nameplates)
        self._mailboxes.set(float("nan") if counts is None else counts.mailboxes)

    def connected(self) -> None:
        self._clients.inc()
        self._connections.inc()

    def disconnected(self) -> None:
        self._clients.dec()

    def dropped(self, reason: DropReason) -> None:
        self._dropped[reason].inc()
        if reason is DropReason.OVERSIZED:
            self._oversized.inc()

    def command(self, kind: CommandKind) -> None:
        self._commands[kind] += 1

    def error(self, kind: ErrorKind) -> None:
        self._errors[kind].inc()

    def answered(self, seconds: float) -> None:
        self._answer_seconds.observe(seconds)

    def delivered(self, seconds: float) -> None:
        self._delivery_seconds.observe(seconds)

    def announced(self) -> None:
        self._announcements.inc()

    def caught_up(self) -> None:
        self._catch_ups.inc()

    def retired(self, retired: Retired) -> None:
        if retired.nameplate is not None:
            self._retired_nameplates[retired.nameplate].inc()
        if retired.mailbox is not None:
            self._retired_mailboxes[retired.mailbox].inc()

    def web_client_closed(self, mood: Mood) -> None:
        self._web_transfers[mood].inc()

    def batch_committed(self, operations: int, seconds: float) -> None:
        self._batch_operations.observe(operations)
        self._commit_seconds.observe(seconds)

    def batch_failed(self) -> None:
        self._failed_batches.inc()

    def expiry_failed(self) -> None:
        self._failed_expiries.inc()

    def internal_error(self) -> None:
        self._internal_errors.inc()
