"""Tests of `wormhole_server.metrics`."""

from __future__ import annotations

import enum
import math

import attrs
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from rendezvous.errors import ErrorKind
from rendezvous.ledger import Ledger
from rendezvous.messages import CommandKind
from rendezvous.moods import Mood as MailboxMood
from rendezvous.observer import DropReason
from rendezvous.observer import Observer as RendezvousObserver
from rendezvous.server import Rendezvous
from tests.rendezvous.fakes import HeldRunner
from tests.wormhole_server.records import HAPPY, JILTED, LONELY
from transit_relay.observer import End, Fallback, LinkKind, Mood, State
from transit_relay.observer import Observer as RelayObserver
from wormhole_server.metrics import Metrics
from wormhole_server.reload import Outcome


@attrs.frozen
class Counts:
    """What a database would say."""

    nameplates: int
    mailboxes: int


@attrs.frozen
class Stalled:
    """A client that does not read."""

    waiting_bytes: int


class MetricsCase(SynchronousTestCase):
    """Metrics to look at."""

    def setUp(self) -> None:
        """None counted yet."""
        self.metrics = Metrics("1.2.3")
        self.rendezvous: RendezvousObserver = self.metrics.rendezvous
        self.relay: RelayObserver = self.metrics.relay

    def value(self, name: str, **labels: str) -> float:
        """The value of a series, which has to exist."""
        value = self.metrics.registry.get_sample_value(f"wormhole_{name}", labels)
        assert value is not None, name
        return value

    def values(self, name: str, label: str, kinds: type[enum.Enum]) -> dict[enum.Enum, float]:
        """The series that are not zero, of those that there have to be."""
        found = {kind: self.value(name, **{label: kind.value}) for kind in kinds}
        return {kind: value for kind, value in found.items() if value}


class RendezvousMetricsTests(MetricsCase):
    def test_connections(self) -> None:
        """Who is connected, and who has ever been."""
        self.rendezvous.connected()
        self.rendezvous.connected()
        self.rendezvous.disconnected()
        self.assertEqual(self.value("rendezvous_connected_clients"), 1)
        self.assertEqual(self.value("rendezvous_connections_total"), 2)

    def test_kinds(self) -> None:
        """Commands, errors, drops and outcomes are counted by kind; all kinds are there from the start."""
        self.rendezvous.command(CommandKind.ADD)
        self.rendezvous.error(ErrorKind.CROWDED)
        self.rendezvous.dropped(DropReason.SILENT)
        self.rendezvous.nameplate_retired(MailboxMood.HAPPY)
        self.rendezvous.mailbox_retired(MailboxMood.PRUNEY)
        for name, label, member in (
            ("rendezvous_commands_total", "command", CommandKind.ADD),
            ("rendezvous_errors_total", "kind", ErrorKind.CROWDED),
            ("rendezvous_dropped_clients_total", "reason", DropReason.SILENT),
            ("rendezvous_retired_nameplates_total", "mood", MailboxMood.HAPPY),
            ("rendezvous_retired_mailboxes_total", "mood", MailboxMood.PRUNEY),
        ):
            self.assertEqual(self.values(name, label, type(member)), {member: 1})
        self.assertEqual(self.value("rendezvous_oversized_messages_total"), 0)

    def test_oversized(self) -> None:
        """A message over the limit has a counter of its own beside the reason of the drop."""
        self.rendezvous.dropped(DropReason.OVERSIZED)
        self.assertEqual(self.value("rendezvous_oversized_messages_total"), 1)
        self.assertEqual(self.value("rendezvous_dropped_clients_total", reason="oversized"), 1)

    def test_ledger(self) -> None:
        """Batches are measured by their size and by the time that they took."""
        self.rendezvous.batch_committed(7, 0.003)
        self.rendezvous.batch_failed()
        for name, below, above in (
            ("rendezvous_ledger_batch_operations", "5.0", "10.0"),
            ("rendezvous_ledger_commit_seconds", "0.002", "0.005"),
        ):
            self.assertEqual(self.value(f"{name}_bucket", le=below), 0)
            self.assertEqual(self.value(f"{name}_bucket", le=above), 1)
        self.assertEqual(self.value("rendezvous_ledger_failed_batches_total"), 1)

    def test_latency(self) -> None:
        """Answers and deliveries are measured, up to what a command waits for a database."""
        self.rendezvous.answered(0.02)
        self.rendezvous.delivered(29.0)
        self.assertEqual(self.value("rendezvous_answer_seconds_bucket", le="0.01"), 0)
        self.assertEqual(self.value("rendezvous_answer_seconds_bucket", le="0.025"), 1)
        self.assertEqual(self.value("rendezvous_delivery_seconds_bucket", le="10.0"), 0)
        self.assertEqual(self.value("rendezvous_delivery_seconds_bucket", le="30.0"), 1)

    def test_instances(self) -> None:
        """What other instances tell, and what may have been missed of it, is counted."""
        self.rendezvous.announced()
        self.rendezvous.caught_up()
        self.assertEqual(self.value("rendezvous_announcements_total"), 1)
        self.assertEqual(self.value("rendezvous_catch_ups_total"), 1)

    def test_watched(self) -> None:
        """What waits, and for whom, is looked up when it is asked for."""
        clock = Clock()
        ledger = Ledger(clock)
        server = Rendezvous(clock, ledger, self.metrics.rendezvous)
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
        server.hearing.deaf()
        self.assertEqual(self.value("rendezvous_hearing"), 0)

    def test_failures(self) -> None:
        """Our own faults are counted."""
        self.rendezvous.expiry_failed()
        self.rendezvous.internal_error()
        self.assertEqual(self.value("rendezvous_failed_expiries_total"), 1)
        self.assertEqual(self.value("rendezvous_internal_errors_total"), 1)

    def test_live_counts(self) -> None:
        """What only the database knows is shown while it answers."""
        self.assertTrue(math.isnan(self.value("rendezvous_live_nameplates")))
        self.metrics.rendezvous.show_live_counts(Counts(3, 4))
        self.assertEqual(self.value("rendezvous_live_nameplates"), 3)
        self.assertEqual(self.value("rendezvous_database_up"), 1)
        self.assertEqual(self.value("rendezvous_live_mailboxes"), 4)
        self.metrics.rendezvous.show_live_counts(None)
        self.assertTrue(math.isnan(self.value("rendezvous_live_mailboxes")))
        self.assertEqual(self.value("rendezvous_database_up"), 0)


class RelayMetricsTests(MetricsCase):
    def test_states(self) -> None:
        """A connection is in one state at a time, and in none at the end."""
        self.relay.connection_state(End.TCP, None, State.HANDSHAKE)
        self.relay.connection_state(End.WEBSOCKET, None, State.HANDSHAKE)
        self.relay.connection_state(End.TCP, State.HANDSHAKE, State.WAITING)
        present = {
            (end, state): self.value("relay_connected", end=end.value, state=state.value)
            for end in End
            for state in State
        }
        self.assertEqual(
            {where for where, count in present.items() if count},
            {(End.TCP, State.WAITING), (End.WEBSOCKET, State.HANDSHAKE)},
        )
        self.relay.connection_state(End.TCP, State.WAITING, None)
        self.assertEqual(self.value("relay_connected", end="tcp", state="waiting"), 0)
        self.assertEqual(
            self.values("relay_connections_total", "end", End), {End.TCP: 1, End.WEBSOCKET: 1}
        )

    def test_pair(self) -> None:
        """A pair is counted once, with the time from its meeting to its end; each connection has a mood."""
        for record in (JILTED, HAPPY, LONELY):
            self.relay.finished(record)
        self.assertEqual(
            self.values("relay_finished_connections_total", "mood", Mood),
            {Mood.HAPPY: 1, Mood.JILTED: 1, Mood.LONELY: 1},
        )
        self.assertEqual(self.value("relay_pairs_total"), 1)
        self.assertEqual(self.value("relay_session_seconds_count"), 1)
        self.assertEqual(self.value("relay_session_seconds_sum"), 105.25)
        self.assertEqual(self.value("relay_waiting_seconds_sum"), 20.25)
        self.assertEqual(self.value("relay_session_bytes_bucket", le="65536.0"), 0)
        self.assertEqual(self.value("relay_session_bytes_bucket", le="1.048576e+06"), 1)

    def test_bytes(self) -> None:
        """Bytes add up."""
        self.relay.relayed(1000)
        self.relay.relayed(1 << 40)
        self.assertEqual(self.value("relay_bytes_total"), 1000 + (1 << 40))

    def test_internal_error(self) -> None:
        """Our own faults are counted."""
        self.relay.internal_error()
        self.assertEqual(self.value("relay_internal_errors_total"), 1)

    def test_links(self) -> None:
        """Pairs that the kernel did not serve are counted by why; the memory in pipes is shown."""
        self.relay.linked(LinkKind.SPLICE)
        self.assertEqual(self.values("relay_links_total", "kind", LinkKind), {LinkKind.SPLICE: 1})
        self.relay.fell_back(Fallback.REFUSED)
        self.relay.pipe_memory(262_144)
        self.assertEqual(
            self.values("relay_link_fallbacks_total", "reason", Fallback), {Fallback.REFUSED: 1}
        )
        self.assertEqual(self.value("relay_pipe_memory_bytes"), 262_144)


class FileMetricsTests(MetricsCase):
    def test_configuration(self) -> None:
        """How often it was read again, with which outcome, and since when it is in effect."""
        files = self.metrics.files
        clock = Clock()
        clock.advance(1234.0)
        files.configuration_loaded(clock)
        files.configuration_read_again(Outcome.REFUSED)
        self.assertEqual(
            self.values("configuration_reloads_total", "outcome", Outcome), {Outcome.REFUSED: 1}
        )
        self.assertEqual(self.value("configuration_loaded_timestamp_seconds"), 1234.0)

    def test_certificates(self) -> None:
        """When each certificate expires, and how reloads ended."""
        files = self.metrics.files
        files.certificate("rendezvous", 99.0)
        files.certificate_read_again(Outcome.OK)
        self.assertEqual(
            self.value("tls_certificate_expiry_timestamp_seconds", endpoint="rendezvous"), 99.0
        )
        self.assertEqual(
            self.values("tls_certificate_reloads_total", "outcome", Outcome), {Outcome.OK: 1}
        )


class PageTests(MetricsCase):
    def test_names(self) -> None:
        """Every series says by its name that it is ours, and by its help what it is."""
        for family in text_string_to_metric_families(
            generate_latest(self.metrics.registry).decode()
        ):
            self.assertRegex(family.name, "^wormhole_(rendezvous|relay|process|configuration|tls)_")
            self.assertTrue(family.documentation.endswith("."), family.name)
            self.assertFalse(family.name.endswith("_created"), family.name)

    def test_process(self) -> None:
        """The process is there: its CPU, memory and descriptors, its reactor's lag, its version."""
        self.metrics.process.reactor_lag_seconds.observe(0.5)
        self.metrics.process.usage_lost(3)
        self.assertGreater(self.value("process_resident_memory_bytes"), 0)
        self.assertGreater(self.value("process_open_fds"), 0)
        self.assertEqual(self.value("process_reactor_lag_seconds_sum"), 0.5)
        self.assertEqual(self.value("process_lost_usage_records_total"), 3)
        self.assertEqual(self.value("process_info", version="1.2.3"), 1)

    def test_two_servers(self) -> None:
        """Two of them in one process, as in tests, do not meet."""
        Metrics("1.2.3").rendezvous.connected()
        self.assertEqual(self.value("rendezvous_connected_clients"), 0)
