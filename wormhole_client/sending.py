"""
Sending a text, a file or a directory through a wormhole that has a code. Owns the file that is read
and the order of what is said; how it gets there is the transit's affair.
"""

import hashlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Final

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.protocols.basic import FileSender

from wormhole_client import offers
from wormhole_client.archive import pack
from wormhole_client.hints import RelayHint
from wormhole_client.network import Network
from wormhole_client.pipe import Pipe
from wormhole_client.talk import Confirm, Progress, Talk, TransferError, Unwatched
from wormhole_client.wormhole import Wormhole

RECORD_BYTES: Final = 64 * 1024  # of file in one record


@attrs.frozen
class Outgoing:
    """What is to be sent: what the other end is told, and where its bytes are."""

    offer: offers.Offer
    source: IO[bytes] | None = None

    def close(self) -> None:
        if self.source is not None:
            self.source.close()


def text(content: str) -> Outgoing:
    return Outgoing(offers.Text(content))


async def path(reactor: Any, where: Path) -> Outgoing:
    """
    The file, or the directory as a zip in a temporary file.

    :raises TransferError: it is not there, or cannot be read.
    """
    return await deferToThreadPool(reactor, reactor.getThreadPool(), _prepare, where)


def _prepare(where: Path) -> Outgoing:
    try:
        name = where.resolve().name or "directory"
        if where.is_dir():
            # Closed by Outgoing.close; it has no name, so nothing is left behind.
            archive = tempfile.TemporaryFile()  # noqa: SIM115
            packed = pack(where, archive)
            size = archive.seek(0, os.SEEK_END)
            archive.seek(0)
            return Outgoing(offers.Directory(name, size, packed.content, packed.files), archive)
        if where.exists() and not where.is_file():
            raise TransferError(f"{where} is neither a file nor a directory")
        source = where.open("rb")
        return Outgoing(offers.File(name, os.fstat(source.fileno()).st_size), source)
    except OSError as error:
        raise TransferError(f"cannot read {where}: {error.strerror or error}") from error


@attrs.frozen
class Sender:
    """How to send; `send` may be called for one wormhole after the other."""

    reactor: Any
    network: Network
    relays: Sequence[RelayHint] = ()
    listen: bool = True
    confirm: Confirm | None = None
    progress: Progress = attrs.field(factory=Unwatched)

    async def send(self, wormhole: Wormhole, outgoing: Outgoing) -> None:
        """
        Offer it, and send it if the other end accepts; returns when it has acknowledged it.

        :raises WormholeError: it has not; the text says why.
        """
        talk = Talk(wormhole)
        await talk.verify(self.confirm)
        if outgoing.source is None:
            wormhole.send_message(offers.offered(outgoing.offer))
            await talk.hear(offers.Accepted)
            return
        transit = talk.transit(
            self.reactor, self.network, sender=True, relays=self.relays, listen=self.listen
        )
        try:
            wormhole.send_message(offers.transit(transit.abilities(), await transit.hints()))
            wormhole.send_message(offers.offered(outgoing.offer))
            await talk.hear(offers.Accepted)
            theirs = await talk.hear(offers.TransitSaid)
            pipe = await talk.unless_trouble(transit.connect(theirs.hints))
            with pipe:
                work = Deferred.fromCoroutine(self._stream(pipe, outgoing.source, outgoing.offer))
                await talk.unless_trouble(work)
        finally:
            transit.close()

    async def _stream(self, pipe: Pipe, source: IO[bytes], offer: offers.Offer) -> None:
        size = 0 if isinstance(offer, offers.Text) else offer.size
        digest = hashlib.sha256()
        sent = 0

        def passing(chunk: bytes) -> bytes:
            nonlocal sent
            sent += len(chunk)
            if sent > size:
                raise TransferError("the file grew while it was being sent")
            digest.update(chunk)
            self.progress.advance(len(chunk))
            return chunk

        streamer: Any = FileSender()
        streamer.CHUNK_SIZE = RECORD_BYTES
        self.progress.begin(size, pipe.via)
        try:
            await streamer.beginFileTransfer(source, pipe, passing)
            if sent < size:
                raise TransferError("the file shrank while it was being sent")
            offers.check_acknowledged(await pipe.receive(), digest.hexdigest())
        finally:
            self.progress.end()
