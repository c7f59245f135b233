"""
Receiving a text, a file or a directory through a wormhole that has a code. Owns what is written on
this machine: into a temporary place beside the target first, and to its name only when complete.
"""

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer
from twisted.internet.threads import deferToThreadPool
from zope.interface import implementer

from wormhole_client import offers
from wormhole_client.archive import BadArchive, UnsafeName, free_bytes, safe_name, unpack
from wormhole_client.errors import WormholeClosed
from wormhole_client.hints import RelayHint
from wormhole_client.network import Network
from wormhole_client.pipe import Pipe
from wormhole_client.talk import Confirm, Progress, Talk, TransferError, Unwatched
from wormhole_client.wormhole import Wormhole

Accept = Callable[[offers.File | offers.Directory, Path], Awaitable[bool]]
"""Whether the person wants this offer, to be stored at this path."""


@implementer(IConsumer)
@attrs.define
class _Store:
    """Takes the bytes of a transfer."""

    file: IO[bytes]
    progress: Progress
    digest: Any = attrs.field(factory=hashlib.sha256)
    _producer: Any = None
    error: OSError | None = None

    def registerProducer(self, producer: Any, streaming: bool) -> None:  # noqa: ARG002 - always
        self._producer = producer

    def unregisterProducer(self) -> None:
        self._producer = None

    def write(self, data: bytes) -> None:
        if self.error is not None:
            return
        try:
            self.file.write(data)
        except OSError as error:  # a full disk: what still comes is not stored
            self.error = error
            self._producer.stopProducing()
            return
        self.digest.update(data)
        self.progress.advance(len(data))


@attrs.frozen
class Receiver:
    """
    How to receive.

    :ivar target: a directory to receive into, or the name to store at.
    :ivar overwrite: an existing file may be replaced; a directory never is.
    """

    reactor: Any
    network: Network
    target: Path
    accept: Accept
    relays: Sequence[RelayHint] = ()
    listen: bool = True
    overwrite: bool = False
    confirm: Confirm | None = None
    progress: Progress = attrs.field(factory=Unwatched)

    async def receive(self, wormhole: Wormhole) -> str | Path:
        """
        The text that was sent, or where the file or directory now is.

        :raises WormholeError: nothing was received; the text says why. The other end is told.
        """
        talk = Talk(wormhole)
        await talk.verify(self.confirm)
        offer = (await talk.hear(offers.Offered)).offer
        if isinstance(offer, offers.Text):
            wormhole.send_message(offers.accepted(offer))
            return offer.text
        try:
            return await self._receive(talk, offer)
        except (UnsafeName, BadArchive, OSError) as error:
            raise self._told(wormhole, str(error)) from error
        except TransferError as error:
            raise self._told(wormhole, str(error)) from error

    def _told(self, wormhole: Wormhole, text: str) -> TransferError:
        with suppress(WormholeClosed):
            wormhole.send_message(offers.trouble(text))
        return TransferError(text)

    async def _receive(self, talk: Talk, offer: offers.File | offers.Directory) -> Path:
        place = self._place(offer)
        if not await self.accept(offer, place):
            raise TransferError("transfer rejected")
        transit = talk.transit(
            self.reactor, self.network, sender=False, relays=self.relays, listen=self.listen
        )
        wormhole = talk.wormhole
        try:
            wormhole.send_message(offers.transit(transit.abilities(), await transit.hints()))
            wormhole.send_message(offers.accepted(offer))
            theirs = await talk.hear(offers.TransitSaid)
            pipe = await talk.unless_trouble(transit.connect(theirs.hints))
            with pipe:
                work = Deferred.fromCoroutine(self._store(pipe, offer, place))
                await talk.unless_trouble(work)
        finally:
            transit.close()
        return place

    def _place(self, offer: offers.File | offers.Directory) -> Path:
        """Where it will be; refused here, before anybody is asked, if that cannot be."""
        place = self.target / safe_name(offer.name) if self.target.is_dir() else self.target
        if not place.parent.is_dir():
            raise TransferError(f"{place.parent} is not a directory")
        if os.path.lexists(place):
            is_file = isinstance(offer, offers.File) and not place.is_dir()
            if not (self.overwrite and is_file):
                raise TransferError(f"refusing to overwrite {place.name!r}, which exists")
        needed = offer.size + (offer.content if isinstance(offer, offers.Directory) else 0)
        free = free_bytes(place.parent)
        if needed > free:
            raise TransferError(f"not enough room: {needed} bytes are needed, {free} are free")
        return place

    async def _store(self, pipe: Pipe, offer: offers.File | offers.Directory, place: Path) -> None:
        with tempfile.TemporaryDirectory(prefix=".receiving-", dir=place.parent) as scratch:
            partial = Path(scratch) / "received"
            with partial.open("w+b") as file:
                store = _Store(file, self.progress)
                self.progress.begin(offer.size, pipe.via)
                try:
                    await pipe.stream_into(store, offer.size)
                except Exception:
                    if store.error is not None:
                        raise store.error from None
                    raise
                finally:
                    self.progress.end()
                file.flush()
                if isinstance(offer, offers.Directory):
                    ready = Path(scratch) / "unpacked"
                    ready.mkdir()
                    await deferToThreadPool(
                        self.reactor,
                        self.reactor.getThreadPool(),
                        unpack,
                        file,
                        ready,
                        offer.content,
                        offer.files,
                    )
                else:
                    ready = partial
            self._finish(ready, place)
        pipe.send(offers.acknowledged(store.digest.hexdigest()))

    def _finish(self, ready: Path, place: Path) -> None:
        """Give it its name, without ever taking that from something that appeared meanwhile."""
        if self.overwrite and ready.is_file():
            ready.replace(place)
            return
        try:
            if ready.is_dir():
                place.mkdir()  # fails if it exists; the rename then replaces our empty directory
                ready.rename(place)
            else:
                _link(ready, place)
        except FileExistsError as error:
            text = f"refusing to overwrite {place.name!r}, which has appeared meanwhile"
            raise TransferError(text) from error


def _link(ready: Path, place: Path) -> None:
    try:
        place.hardlink_to(ready)
    except OSError as error:
        if error.errno not in {errno.EPERM, errno.ENOTSUP, errno.EMLINK}:
            raise
        with place.open("xb") as sink, ready.open("rb") as source:  # no links on this disk
            shutil.copyfileobj(source, sink)
