"""Tests of `wormhole_server.service.relay`."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NoReturn

import attrs
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_server.logs import LogCase
from tests.wormhole_server.records import LONELY
from transit_relay.links.producer import ProducerLink
from wormhole_server.config.durations import Seconds
from wormhole_server.config.groups.relay import TransitLink
from wormhole_server.config.settings import Settings
from wormhole_server.errors import StartError
from wormhole_server.metrics.registry import Metrics
from wormhole_server.service.relay import RelayLinks, RelayRecords


def open_descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


class RelayLinksTests(LogCase):
    def links(self, link: TransitLink, **settings: Any) -> RelayLinks:
        """The links of a server with such settings."""
        wanted = attrs.evolve(Settings(), transit_link=link, **settings)
        return RelayLinks(wanted, Metrics("0"))

    def test_pipe(self) -> None:
        """The pipe is open while the service runs."""
        links = self.links(TransitLink.SPLICE)
        before = open_descriptors()
        links.startService()
        self.assertEqual(len(open_descriptors() - before), 2)
        links.stopService()
        self.assertEqual(open_descriptors(), before)

    def test_producer(self) -> None:
        """Without splicing there is no pipe."""
        links = self.links(TransitLink.PRODUCER)
        before = open_descriptors()
        links.startService()
        self.assertIs(links.factory, ProducerLink)
        self.assertEqual(open_descriptors(), before)
        links.stopService()

    def test_refused(self) -> None:
        """Without a pipe the server starts only where the operator leaves the choice to it."""
        self.patch(os, "pipe2", self.refuse)
        with self.assertRaisesRegex(StartError, "^transit-link: .*write auto or producer"):
            self.links(TransitLink.SPLICE).startService()
        links = self.links(TransitLink.AUTO)
        links.startService()
        links.stopService()
        (line,) = self.logged()
        self.assertIn(
            "warn: transit-link=auto: the kernel cannot move the bytes here: no pipe: ", line
        )

    def test_no_splice(self) -> None:
        """A kernel that gives a pipe and refuses to splice is no better."""
        self.patch(os, "splice", self.refuse)
        with self.assertRaisesRegex(StartError, "no splice: Too many .*write auto or producer"):
            self.links(TransitLink.SPLICE).startService()

    def refuse(self, *_: int, **__: int) -> NoReturn:
        """What the kernel says to a process without descriptors."""
        raise OSError(24, "Too many open files")


class FakeLedger:
    """A ledger that commits when the test says so."""

    def __init__(self) -> None:
        self.submitted: list[Deferred[Any]] = []

    def submit(self, operation: Callable[..., Any], **_: Any) -> Deferred[Any]:
        self.submitted.append(Deferred())
        return self.submitted[-1]


class RelayRecordsTests(SynchronousTestCase):
    def records(self, **settings: Any) -> RelayRecords:
        """The records of a server with such settings."""
        self.ledger = FakeLedger()
        ledger: Any = self.ledger
        return RelayRecords(attrs.evolve(Settings(), **settings), ledger, Metrics("0"))

    def test_writers(self) -> None:
        """Records go to the database, and to a descriptor where the operator has set one."""
        self.records().recorder.finished(LONELY)
        self.assertEqual(len(self.ledger.submitted), 1)
        reading, writing = os.pipe()
        self.addCleanup(os.close, reading)
        self.addCleanup(os.close, writing)
        records = self.records(log_fd=writing)
        records.recorder.finished(LONELY)
        self.assertEqual(len(self.ledger.submitted), 1)
        self.assertIn(b'"lonely"', os.read(reading, 1000))

    def test_change(self) -> None:
        """Records are rounded as the settings say."""
        records = self.records()
        records.change(attrs.evolve(Settings(), blur_usage=Seconds(60.0)))
        self.assertEqual(records.recorder.blur_seconds, 60.0)

    def test_stop(self) -> None:
        """The stop waits until the records are committed."""
        records = self.records()
        records.startService()
        self.assertEqual(self.successResultOf(records.stopService()), None)
        records.recorder.finished(LONELY)
        stopped = records.stopService()
        self.assertNoResult(stopped)
        self.ledger.submitted[0].callback(None)
        self.successResultOf(stopped)
