"""Tests of sending, to a receiver in the same process, over a server and a relay in memory."""

import io
import os
import resource
import tempfile
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_client.fakes import FakeNetwork, FakeRelay, SynchronousReactor, World
from wormhole_client.transfers import messages
from wormhole_client.transfers.receiving import Receiver
from wormhole_client.transfers.sending import Outgoing, Sender, open_path
from wormhole_client.transfers.session import (
    IDLE_SECONDS,
    REASON_SECONDS,
    PeerError,
    StalledError,
    TransferError,
    TransferProgress,
)
from wormhole_client.transit.hints import parse_helper
from wormhole_client.transit.record_pipe import RECORD_BYTES, RecordPipe

RELAYS = [parse_helper("tcp:relay:4001")]
SIZE = 2 * RECORD_BYTES
CONTENT = bytes(range(256)) * 1000


class Progress(TransferProgress):
    """Records its events."""

    def __init__(self) -> None:
        self.events: list[object] = []

    def begin(self, total: int, via: str) -> None:
        self.events += [total, via]

    def advance(self, count: int) -> None:
        self.events.append(count)

    def end(self) -> None:
        self.events.append("end")


class SendTests(SynchronousTestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = Path(scratch.name)
        self.target = self.root / "target"
        self.target.mkdir()
        self.reactor = SynchronousReactor()
        self.world = World(clock=self.reactor)
        self.network = FakeNetwork()
        self.progress = Progress()
        self.accepted: list[Path] = []
        self.accepts = True

    async def accept(self, _: messages.StoredOffer, path: Path) -> bool:
        self.accepted.append(path)
        return self.accepts

    def transfer(self, outgoing: Outgoing) -> tuple[Deferred[None], Deferred[Any]]:
        ours, theirs = self.world.wormhole("ours"), self.world.wormhole("theirs")
        for each in (ours, theirs):
            each.set_code("4-a-b")
        sender = Sender(self.reactor, self.network, RELAYS, False, progress=self.progress)
        receiver = Receiver(self.reactor, self.network, self.target, self.accept, RELAYS, False)
        sending = Deferred.fromCoroutine(sender.send(ours, outgoing))
        receiving = Deferred.fromCoroutine(receiver.receive(theirs))
        self.world.settle()
        if self.network.dialed:
            relay = FakeRelay(*self.network.dialed)
            relay.run()
            self.world.settle()
        return sending, receiving

    def open(self, path: Path) -> Outgoing:
        outgoing = self.successResultOf(Deferred.fromCoroutine(open_path(self.reactor, path)))
        self.addCleanup(outgoing.close)
        return outgoing

    def test_text(self) -> None:
        """A text is confirmed by the other end, and needs no connection."""
        sending, receiving = self.transfer(Outgoing(messages.TextOffer("hello")))
        self.assertEqual(self.successResultOf(receiving), "hello")
        self.successResultOf(sending)
        self.assertEqual((self.network.dialed, self.progress.events), ([], []))

    def test_file(self) -> None:
        """A file arrives whole under its name; progress counts its bytes."""
        source = self.root / "file"
        source.write_bytes(CONTENT)
        sending, receiving = self.transfer(self.open(source))
        self.assertEqual(self.successResultOf(receiving), self.target / "file")
        self.successResultOf(sending)
        self.assertEqual((self.target / "file").read_bytes(), CONTENT)
        total, via, *counts, end = self.progress.events
        self.assertEqual((total, via, end), (len(CONTENT), "relay tcp:relay:4001", "end"))
        self.assertEqual(counts, [65536, 65536, 65536, len(CONTENT) - 3 * 65536])

    def test_empty_file(self) -> None:
        """An empty file is one empty record: the Go client confirms nothing before it has got a record."""
        sent: list[bytes] = []
        send = RecordPipe.send

        def note(pipe: RecordPipe, record: bytes) -> None:
            sent.append(record)
            send(pipe, record)

        self.patch(RecordPipe, "send", note)
        sending, receiving = self.transfer(Outgoing(messages.FileOffer("x", 0), io.BytesIO()))
        self.assertEqual(self.successResultOf(receiving), self.target / "x")
        self.successResultOf(sending)
        self.assertEqual(sent[0], b"")
        self.assertEqual((self.target / "x").read_bytes(), b"")

    def test_directory(self) -> None:
        """A directory arrives with everything below it."""
        source = self.root / "folder"
        (source / "below").mkdir(parents=True)
        (source / "below" / "file").write_bytes(CONTENT)
        sending, receiving = self.transfer(self.open(source))
        self.successResultOf(receiving)
        self.successResultOf(sending)
        self.assertEqual((self.target / "folder" / "below" / "file").read_bytes(), CONTENT)

    def test_rejected(self) -> None:
        """A receiver that does not accept is reported, and nothing is dialed."""
        self.accepts = False
        sending, receiving = self.transfer(Outgoing(messages.FileOffer("x", 1), io.BytesIO(b"x")))
        self.assertIn("rejected", self.failureResultOf(sending, PeerError).getErrorMessage())
        self.failureResultOf(receiving, TransferError)
        self.assertEqual((self.network.dialed, list(self.target.iterdir())), ([], []))

    def test_size_changed(self) -> None:
        """A file that grows or shrinks meanwhile fails at both ends, and leaves nothing behind."""
        for content, word in ((b"xyz", "grew"), (b"", "shrank")):
            with self.subTest(word=word):
                self.setUp()
                outgoing = Outgoing(messages.FileOffer("x", 2), io.BytesIO(content))
                sending, receiving = self.transfer(outgoing)
                error = self.failureResultOf(sending, TransferError)
                self.assertIn(word, error.getErrorMessage())
                self.assertEqual(self.progress.events[-1], "end")
                self.assertIn(word, self.failureResultOf(receiving, PeerError).getErrorMessage())
                self.assertEqual(list(self.target.iterdir()), [])


class EndTests(SynchronousTestCase):
    """What both ends report when a transfer of two records ends in its middle."""

    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.target = Path(scratch.name)
        self.reactor = SynchronousReactor()
        self.world = World(clock=self.reactor)
        self.progress = Progress()
        networks = FakeNetwork(), FakeNetwork()
        ours, theirs = self.world.wormhole("ours"), self.world.wormhole("theirs")
        for each in (ours, theirs):
            each.set_code("4-a-b")

        async def accept(_: messages.StoredOffer, __: Path) -> bool:
            return True

        sender = Sender(self.reactor, networks[0], RELAYS, False, progress=self.progress)
        receiver = Receiver(self.reactor, networks[1], self.target, accept, RELAYS, False)
        outgoing = Outgoing(messages.FileOffer("x", SIZE), io.BytesIO(bytes(SIZE)))
        self.sending = Deferred.fromCoroutine(sender.send(ours, outgoing))
        self.receiving = Deferred.fromCoroutine(receiver.receive(theirs))
        self.world.settle()
        self.pipes = [network.dialed[0] for network in networks]
        self.relay = FakeRelay(*self.pipes)
        self.run_until(SIZE // 2)

    def run_until(self, sent: int) -> None:
        while sum(count for count in self.progress.events[2:] if isinstance(count, int)) < sent:
            self.relay.run_once()

    def lose(self, *ends: int) -> None:
        for end in ends:
            self.pipes[end].protocol.connectionLost(Failure(ConnectionLost()))
        self.world.settle()

    def reports(self) -> tuple[str, str]:
        """The errors of the sender and of the receiver, both of which have ended."""
        self.world.settle()
        self.assertEqual(list(self.target.iterdir()), [])
        sent, received = (self.failureResultOf(each) for each in (self.sending, self.receiving))
        return sent.getErrorMessage(), received.getErrorMessage()

    def test_lost(self) -> None:
        """Both ends say that the connection was lost, and after how many bytes of how many."""
        self.lose(0, 1)
        self.assertNoResult(self.sending)  # the other end's reason may still come
        self.world.wait(REASON_SECONDS)
        for report in self.reports():
            self.assertIn("the connection was lost after 65536 of 131072 bytes", report)

    def test_reason_of_a_lost_connection(self) -> None:
        """An end that gives up drops the connection, too: the other end reports its reason."""
        self.lose(0)
        self.receiving.cancel()
        sent, _ = self.reports()
        self.assertIn("the other end reports: the transfer was cancelled", sent)

    def test_sender_cancelled(self) -> None:
        """A sender that is cancelled tells the receiver, which leaves nothing behind."""
        self.sending.cancel()
        _, received = self.reports()
        self.assertIn("cancelled", received)

    def test_disk_full(self) -> None:
        """A receiver whose disk takes no more tells the sender, without its paths."""
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (SIZE - 1, limits[1]))
        try:
            self.relay.run()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        sent, received = self.reports()
        self.assertEqual(sent, "the other end reports: File too large")
        self.assertIn("File too large", received)

    def test_changed_on_its_way(self) -> None:
        """Bytes that are no record end the transfer at both ends, with the reason."""
        self.pipes[1].protocol.dataReceived(bytes(100))
        for report in self.reports():
            self.assertIn("a record is out of order, after 65536 of 131072 bytes", report)

    def test_stalled(self) -> None:
        """A connection over which nothing moves is given up at both ends."""
        self.world.wait(IDLE_SECONDS - 1)
        self.assertNoResult(self.sending)
        self.world.wait(1)
        for report in self.reports():
            self.assertIn("nothing has moved for 120 seconds, after 65536 of 131072", report)

    def test_slow(self) -> None:
        """A slow connection is not a stalled one."""
        self.world.wait(IDLE_SECONDS - 1)
        self.run_until(SIZE)
        self.world.wait(IDLE_SECONDS - 1)
        self.relay.run()
        self.world.settle()
        self.successResultOf(self.sending)
        self.successResultOf(self.receiving)

    def test_no_confirmation(self) -> None:
        """The confirmation may take longer than a byte, but not for ever."""
        while (producer := self.relay.transports[0].producer) is not None:
            producer.resumeProducing()
        self.pipes[1].protocol.dataReceived(self.relay.transports[0].value())
        self.successResultOf(self.receiving)
        self.world.wait(IDLE_SECONDS)
        self.assertNoResult(self.sending)
        self.world.wait(SIZE)
        report = self.failureResultOf(self.sending, StalledError).getErrorMessage()
        self.assertIn("after 131072 of 131072 bytes", report)

    def test_closed_after_the_last_byte(self) -> None:
        """A receiver may confirm and close before the sender has seen the end of its file."""
        self.run_until(SIZE)
        self.pipes[0].protocol.dataReceived(self.relay.transports[1].value())
        self.lose(0, 1)
        self.successResultOf(self.receiving)
        self.successResultOf(self.sending)


class OpenPathTests(SynchronousTestCase):
    def test_name(self) -> None:
        """A name that is not UTF-8 cannot be sent, and says so; neither can a directory that holds it."""
        with tempfile.TemporaryDirectory() as scratch:
            bad = Path(os.fsdecode(os.fsencode(scratch) + b"/bad\xff"))
            bad.touch()
            for path in (bad, Path(scratch)):
                opening = Deferred.fromCoroutine(open_path(SynchronousReactor(), path))
                report = self.failureResultOf(opening, TransferError).getErrorMessage()
                self.assertIn("UTF-8", report)

    def test_refused(self) -> None:
        """What does not exist, or is neither a file nor a directory, is refused with a reason."""
        for path in ("/nowhere/at/all", "/dev/null"):
            with self.subTest(path=path):
                opening = Deferred.fromCoroutine(open_path(SynchronousReactor(), Path(path)))
                self.assertIn(path, self.failureResultOf(opening, TransferError).getErrorMessage())
