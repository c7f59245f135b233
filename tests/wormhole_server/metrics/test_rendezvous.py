"""Tests of `wormhole_server.metrics.rendezvous`."""

from __future__ import annotations

import math

import attrs
from twisted.internet.task import Clock

from rendezvous.errors import ErrorKind
from rendezvous.ledger.ledger import Ledger
from rendezvous.observer import DropReason
from rendezvous.protocol.conversation import CommandKind
from rendezvous.protocol.moods import Mood, Retired
from rendezvous.server import LiveCounts
from tests.rendezvous.fakes import HeldRunner
from tests.rendezvous.servers import make_rendezvous
from tests.schedulers import make_scheduler
from tests.wormhole_server.metrics.support import MetricsCase


@attrs.frozen
class Stalled:
    """A client that does not read."""

    waiting_bytes: int


class RendezvousMetricsTests(MetricsCase):
    def test_connections(self) -> None:
        """Clients that are connected, and all that ever were, are counted."""
        self.metrics.rendezvous.connected()
        self.metrics.rendezvous.connected()
        self.metrics.rendezvous.disconnected()
        self.assertEqual(self.value("rendezvous_connected_clients"), 1)
        self.assertEqual(self.value("rendezvous_connections_total"), 2)

    def test_kinds(self) -> None:
        """Commands, errors, drops and outcomes are counted by kind; all kinds exist from the start."""
        self.metrics.rendezvous.command(CommandKind.ADD)
        self.metrics.rendezvous.error(ErrorKind.CROWDED)
        self.metrics.rendezvous.dropped(DropReason.SILENT)
        self.metrics.rendezvous.retired(Retired(nameplate=Mood.HAPPY))
        self.metrics.rendezvous.retired(Retired(mailbox=Mood.PRUNEY))
        self.metrics.rendezvous.web_client_closed(Mood.SCARY)
        for name, label, member in (
            ("rendezvous_commands_total", "command", CommandKind.ADD),
            ("rendezvous_errors_total", "kind", ErrorKind.CROWDED),
            ("rendezvous_dropped_clients_total", "reason", DropReason.SILENT),
            ("rendezvous_retired_nameplates_total", "mood", Mood.HAPPY),
            ("rendezvous_retired_mailboxes_total", "mood", Mood.PRUNEY),
            ("rendezvous_web_transfers_total", "mood", Mood.SCARY),
        ):
            self.assertEqual(self.values(name, label, type(member)), {member: 1})
        self.assertEqual(self.value("rendezvous_oversized_messages_total"), 0)

    def test_oversized(self) -> None:
        """A message over the limit has a counter of its own beside the reason of the drop."""
        self.metrics.rendezvous.dropped(DropReason.OVERSIZED)
        self.assertEqual(self.value("rendezvous_oversized_messages_total"), 1)
        self.assertEqual(self.value("rendezvous_dropped_clients_total", reason="oversized"), 1)

    def test_ledger(self) -> None:
        """Batches are measured by their size and by the time that they took."""
        self.metrics.rendezvous.batch_committed(7, 0.003)
        self.metrics.rendezvous.batch_failed()
        for name, below, above in (
            ("rendezvous_ledger_batch_operations", "5.0", "10.0"),
            ("rendezvous_ledger_commit_seconds", "0.002", "0.005"),
        ):
            self.assertEqual(self.value(f"{name}_bucket", le=below), 0)
            self.assertEqual(self.value(f"{name}_bucket", le=above), 1)
        self.assertEqual(self.value("rendezvous_ledger_failed_batches_total"), 1)

    def test_latency(self) -> None:
        """Answers and deliveries are measured, up to what a command waits for a database."""
        self.metrics.rendezvous.answered(0.02)
        self.metrics.rendezvous.delivered(29.0)
        self.assertEqual(self.value("rendezvous_answer_seconds_bucket", le="0.01"), 0)
        self.assertEqual(self.value("rendezvous_answer_seconds_bucket", le="0.025"), 1)
        self.assertEqual(self.value("rendezvous_delivery_seconds_bucket", le="10.0"), 0)
        self.assertEqual(self.value("rendezvous_delivery_seconds_bucket", le="30.0"), 1)

    def test_instances(self) -> None:
        """Announcements of other instances, and catch-ups, are counted."""
        self.metrics.rendezvous.announced()
        self.metrics.rendezvous.caught_up()
        self.assertEqual(self.value("rendezvous_announcements_total"), 1)
        self.assertEqual(self.value("rendezvous_catch_ups_total"), 1)

    def test_watched(self) -> None:
        """The backlog is read when the page is requested."""
        clock = Clock()
        ledger = Ledger(make_scheduler(clock))
        server = make_rendezvous(clock, ledger, self.metrics.rendezvous)
        self.metrics.rendezvous.watch(ledger.backlog, server)
        runner = HeldRunner()
        ledger.open([runner])
        ledger.submit(lambda _: None)
        clock.advance(0)
        ledger.submit(lambda _: None, size=70)
        server.stalled.update({Stalled(30), Stalled(40)})
        for name, value in (
            ("ledger_waiting_operations", 1),
            ("ledger_waiting_bytes", 70),
            ("ledger_running_operations", 1),
            ("ledger_lanes", 1),
            ("ledger_busy_lanes", 1),
            ("stalled_clients", 2),
            ("send_buffer_bytes", 70),
            ("hearing", 1),
        ):
            self.assertEqual(self.value(f"rendezvous_{name}"), value, name)
        server.announcements.disconnected()
        self.assertEqual(self.value("rendezvous_hearing"), 0)

    def test_failures(self) -> None:
        """Failed expiries and unexpected exceptions are counted."""
        self.metrics.rendezvous.expiry_failed()
        self.metrics.rendezvous.internal_error()
        self.assertEqual(self.value("rendezvous_failed_expiries_total"), 1)
        self.assertEqual(self.value("rendezvous_internal_errors_total"), 1)

    def test_live_counts(self) -> None:
        """Counts in the database are shown while it answers."""
        self.assertTrue(math.isnan(self.value("rendezvous_live_nameplates")))
        self.metrics.rendezvous.show_live_counts(LiveCounts(3, 4))
        self.assertEqual(self.value("rendezvous_live_nameplates"), 3)
        self.assertEqual(self.value("rendezvous_database_up"), 1)
        self.assertEqual(self.value("rendezvous_live_mailboxes"), 4)
        self.metrics.rendezvous.show_live_counts(None)
        self.assertTrue(math.isnan(self.value("rendezvous_live_mailboxes")))
        self.assertEqual(self.value("rendezvous_database_up"), 0)

    def test_outcomes(self) -> None:
        """The status page reads how exchanges have ended."""
        self.metrics.rendezvous.retired(Retired(mailbox=Mood.LONELY))
        outcomes = self.metrics.rendezvous.outcomes()
        self.assertEqual(set(outcomes), set(Mood))
        self.assertEqual({mood for mood, count in outcomes.items() if count}, {Mood.LONELY})
