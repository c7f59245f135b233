"""
Sending: offers a text, a file or a directory through a wormhole that has a code, and sends it.

Owns the file that is read, and the order of the messages.
"""

import hashlib
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Final

import attrs

from wormhole_client.blocking import Stopped, run_blocking
from wormhole_client.network.endpoints import Network
from wormhole_client.transfers import messages
from wormhole_client.transfers.session import (
    IDLE_SECONDS,
    Confirm,
    LostConnectionError,
    TransferError,
    TransferProgress,
    TransferSession,
    TransferWatch,
)
from wormhole_client.transfers.zip_stream import ZipStream, list_entries, zip_size
from wormhole_client.transit.hints import RelayHint
from wormhole_client.transit.record_pipe import RECORD_BYTES, RecordPipe
from wormhole_client.wormhole import Wormhole

# What the sender allows for between its last byte and the receiver's confirmation.
IN_FLIGHT: Final = 16 * 2**20  # bytes that kernels and relays may still hold
SLOWEST_LINK: Final = 16 * 2**10  # bytes a second
SLOWEST_UNPACKING: Final = 2**20  # bytes a second


@attrs.frozen
class Outgoing:
    """
    What is to be sent.

    :ivar source: the bytes; None for a text. `close` closes it.
    :ivar ignored: why each of the files was left out that could not be read.
    """

    offer: messages.Offer
    source: IO[bytes] | None = None
    ignored: Sequence[str] = ()

    def close(self) -> None:
        if self.source is not None:
            self.source.close()


async def open_path(reactor: Any, path: Path, *, ignore_unsendable: bool = False) -> Outgoing:
    """
    Open a file, or list what is below a directory, in a thread.

    :param ignore_unsendable: leave out what cannot be read below a directory.
    :raises TransferError: it does not exist, or cannot be read.
    """
    return await run_blocking(reactor, lambda stopped: _open_path(path, stopped, ignore_unsendable))


def _open_path(path: Path, stopped: Stopped, ignore_unsendable: bool) -> Outgoing:
    ignored: list[str] = []
    unsendable = (lambda error: ignored.append(_reason(error))) if ignore_unsendable else None
    try:
        name = path.resolve().name or "directory"
        name.encode("utf-8")
        if path.is_dir():
            entries = list_entries(path, stopped, unsendable)
            sizes = [entry.info.file_size for entry in entries if not entry.info.is_dir()]
            return Outgoing(
                messages.DirectoryOffer(name, zip_size(entries), sum(sizes), len(sizes)),
                io.BufferedReader(ZipStream(entries), RECORD_BYTES),
                tuple(ignored),
            )
        if path.is_symlink() and not path.exists():
            raise TransferError(f"{path} is a link to {path.readlink()}, which does not exist")
        if path.exists() and not path.is_file():
            raise TransferError(f"{path} is neither a file nor a directory")
        source = path.open("rb")
        return Outgoing(messages.FileOffer(name, os.fstat(source.fileno()).st_size), source)
    except OSError as error:
        raise TransferError(f"cannot read {_reason(error)}") from error
    except UnicodeEncodeError as error:
        raise TransferError(
            f"cannot send {path}: {error.object!r} is not a name in UTF-8"
        ) from error


def _reason(error: OSError) -> str:
    """Say which file cannot be read, and why."""
    return str(error) if error.filename is None else f"{error.filename}: {error.strerror}"


@attrs.frozen
class Sender:
    """
    A sender, for one wormhole after the other.

    :ivar relays: transit relays that the transfer may use.
    :ivar listen: open a port and send the peer the addresses of this machine.
    :ivar confirm: lets the user compare verifiers; None: without.
    """

    reactor: Any
    network: Network
    relays: Sequence[RelayHint] = ()
    listen: bool = True
    confirm: Confirm | None = None
    progress: TransferProgress = attrs.field(factory=TransferProgress)
    idle_seconds: float = IDLE_SECONDS

    async def send(self, wormhole: Wormhole, outgoing: Outgoing) -> None:
        """
        Offer something, and send it if the other end accepts. Returns when that has confirmed it.

        :raises WormholeError: it was not transferred; the reason is sent to the other end.
        """
        session = TransferSession(wormhole, self.reactor)
        await session.run(self._send(session, outgoing))

    async def _send(self, session: TransferSession, outgoing: Outgoing) -> None:
        await session.verify(self.confirm)
        wormhole = session.wormhole
        offer = outgoing.offer
        if isinstance(offer, messages.TextOffer) or outgoing.source is None:
            wormhole.send_message(messages.encode_offer(offer))
            await session.receive(messages.AnswerMessage)
            return
        transit = session.transit(self.network, sender=True, relays=self.relays, listen=self.listen)
        try:
            wormhole.send_message(
                messages.encode_transit(transit.abilities(), await transit.hints())
            )
            wormhole.send_message(messages.encode_offer(offer))
            await session.receive(messages.AnswerMessage)
            theirs = await session.receive(messages.TransitMessage)
            pipe = await session.unless_aborted(transit.connect(theirs.hints))
            with pipe:
                await session.unless_aborted(self._stream(pipe, outgoing.source, offer))
        finally:
            transit.close()

    async def _stream(
        self, pipe: RecordPipe, source: IO[bytes], offer: messages.StoredOffer
    ) -> None:
        digest = hashlib.sha256()
        watch = TransferWatch(self.reactor, self.progress, offer.size, self.idle_seconds)

        def count(chunk: bytes) -> bytes:
            if watch.gone + len(chunk) > offer.size:
                raise TransferError("the file grew while it was being sent")
            digest.update(chunk)
            watch.advance(len(chunk))
            return chunk

        self.progress.begin(offer.size, pipe.via)
        try:
            try:
                if not offer.size:
                    pipe.send(b"")  # wormhole-william waits for a record, whatever the size
                await watch.within(pipe.send_file(source, count))
            except LostConnectionError:
                if watch.gone < offer.size:
                    raise  # else the receiver may have confirmed all, and closed the connection
            if watch.gone < offer.size:
                raise TransferError(f"the file shrank while it was being sent: it had only {watch}")
            confirmation = await watch.within(pipe.receive(), self._confirmation_seconds(offer))
            messages.check_acknowledgement(confirmation, digest.hexdigest())
        finally:
            self.progress.end()

    def _confirmation_seconds(self, offer: messages.StoredOffer) -> float:
        unpacked = offer.content if isinstance(offer, messages.DirectoryOffer) else 0
        in_flight = min(offer.size, IN_FLIGHT) / SLOWEST_LINK
        return self.idle_seconds + in_flight + unpacked / SLOWEST_UNPACKING
