"""
Receiving: accepts a text, a file or a directory through a wormhole that has a code, and stores it.

Owns what is written on this machine: at first into a temporary directory beside the target, which gets
its name only when it is complete.
"""

import errno
import hashlib
import os
import shutil
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import IO, Any

import attrs
from twisted.internet.interfaces import IConsumer
from zope.interface import implementer

from wormhole_client.blocking import run_blocking
from wormhole_client.network.endpoints import Network
from wormhole_client.transfers import messages
from wormhole_client.transfers.archive import free_bytes, safe_name, unpack
from wormhole_client.transfers.scratch import scratch_directory
from wormhole_client.transfers.session import (
    IDLE_SECONDS,
    Confirm,
    TransferError,
    TransferProgress,
    TransferSession,
    TransferWatch,
)
from wormhole_client.transit.hints import RelayHint
from wormhole_client.transit.record_pipe import RecordPipe
from wormhole_client.wormhole import Wormhole

Accept = Callable[[messages.StoredOffer, Path], Awaitable[bool]]
"""Asks whether to accept an offer, to be stored at the path."""


@implementer(IConsumer)
@attrs.define
class _FileWriter:
    """Writes the bytes of a transfer into a file, and hashes them."""

    file: IO[bytes]
    watch: TransferWatch
    digest: Any = attrs.field(factory=hashlib.sha256)

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Ignore it: a disk takes what comes, or raises."""

    def unregisterProducer(self) -> None:
        """Ignore it."""

    def write(self, data: bytes) -> None:
        self.file.write(data)
        self.digest.update(data)
        self.watch.advance(len(data))


@attrs.frozen
class Receiver:
    """
    A receiver, for one wormhole after the other.

    :ivar target: a directory to receive into, or the path to store at.
    :ivar accept: asks whether to accept an offer.
    :ivar relays: transit relays that the transfer may use.
    :ivar listen: open a port and send the peer the addresses of this machine.
    :ivar overwrite: an existing file may be replaced; a directory never is.
    :ivar confirm: lets the user compare verifiers; None: without.
    """

    reactor: Any
    network: Network
    target: Path
    accept: Accept
    relays: Sequence[RelayHint] = ()
    listen: bool = True
    overwrite: bool = False
    confirm: Confirm | None = None
    progress: TransferProgress = attrs.field(factory=TransferProgress)
    idle_seconds: float = IDLE_SECONDS

    async def receive(self, wormhole: Wormhole) -> str | Path:
        """
        Receive what the other end offers.

        :return: the text, or the path of the file or directory.
        :raises WormholeError: nothing was received; the reason is sent to the other end.
        """
        session = TransferSession(wormhole, self.reactor)
        return await session.run(self._receive(session))

    async def _receive(self, session: TransferSession) -> str | Path:
        await session.verify(self.confirm)
        wormhole = session.wormhole
        offer = (await session.receive(messages.OfferMessage)).offer
        if isinstance(offer, messages.TextOffer):
            wormhole.send_message(messages.encode_answer(offer))
            return offer.text
        path = self._choose_path(offer)
        if not await session.unless_aborted(self.accept(offer, path)):
            raise TransferError("transfer rejected")
        transit = session.transit(
            self.network, sender=False, relays=self.relays, listen=self.listen
        )
        try:
            wormhole.send_message(
                messages.encode_transit(transit.abilities(), await transit.hints())
            )
            wormhole.send_message(messages.encode_answer(offer))
            theirs = await session.receive(messages.TransitMessage)
            pipe = await session.unless_aborted(transit.connect(theirs.hints))
            with pipe:
                await session.unless_aborted(self._store(pipe, offer, path))
        finally:
            transit.close()
        return path

    def _choose_path(self, offer: messages.StoredOffer) -> Path:
        """Choose where to store an offer; fail here, before the user is asked, if that is impossible."""
        path = self.target / safe_name(offer.name) if self.target.is_dir() else self.target
        if not path.parent.is_dir():
            raise TransferError(f"{path.parent} is not a directory")
        if os.path.lexists(path):
            is_file = isinstance(offer, messages.FileOffer) and not path.is_dir()
            if not (self.overwrite and is_file):
                raise TransferError(f"refusing to overwrite {path.name!r}, which exists")
        needed = offer.size + (offer.content if isinstance(offer, messages.DirectoryOffer) else 0)
        free = free_bytes(path.parent)
        if needed > free:
            raise TransferError(
                f"not enough disk space: {needed} bytes are needed, {free} are free"
            )
        return path

    async def _store(self, pipe: RecordPipe, offer: messages.StoredOffer, path: Path) -> None:
        watch = TransferWatch(self.reactor, self.progress, offer.size, self.idle_seconds)
        with scratch_directory(path.parent) as scratch:
            ready = scratch / "received"
            with ready.open("w+b") as file:
                writer = _FileWriter(file, watch)
                self.progress.begin(offer.size, pipe.via)
                try:
                    await watch.within(pipe.stream_into(writer, offer.size))
                finally:
                    self.progress.end()
                file.flush()
                if isinstance(offer, messages.DirectoryOffer):
                    ready = scratch / "unpacked"
                    ready.mkdir()
                    await self._unpack(file, ready, offer)
            self._move(ready, path)
        pipe.send(messages.encode_acknowledgement(writer.digest.hexdigest()))

    async def _unpack(self, file: IO[bytes], target: Path, offer: messages.DirectoryOffer) -> None:
        await run_blocking(
            self.reactor,
            lambda stopped: unpack(file, target, offer.content, offer.files, stopped),
        )

    def _move(self, ready: Path, path: Path) -> None:
        """Give it its name, without taking that from something that has appeared meanwhile."""
        if self.overwrite and ready.is_file():
            ready.replace(path)
            return
        try:
            if ready.is_dir():
                path.mkdir()  # fails if it exists; the rename then replaces our empty directory
                ready.rename(path)
            else:
                _link(ready, path)
        except FileExistsError as error:
            text = f"refusing to overwrite {path.name!r}, which has appeared meanwhile"
            raise TransferError(text) from error


def _link(ready: Path, path: Path) -> None:
    try:
        path.hardlink_to(ready)
    except OSError as error:
        if error.errno not in {errno.EPERM, errno.ENOTSUP, errno.EMLINK}:
            raise
        with path.open("xb") as sink, ready.open("rb") as source:  # the disk has no hard links
            shutil.copyfileobj(source, sink)
