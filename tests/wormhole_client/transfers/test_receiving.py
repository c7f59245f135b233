"""Tests of receiving: where a transfer is stored, and what is refused."""

import tempfile
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from wormhole_client.network.endpoints import Internet
from wormhole_client.transfers import messages
from wormhole_client.transfers.archive import UnsafeNameError
from wormhole_client.transfers.receiving import Receiver
from wormhole_client.transfers.session import TransferError


async def yes(_: object, __: Path) -> bool:
    return True


class PlaceTests(SynchronousTestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = Path(scratch.name)

    def receiver(self, target: Path | None = None, **options: Any) -> Receiver:
        return Receiver(Clock(), Internet(Clock()), target or self.root, yes, **options)

    def place(self, offer: messages.FileOffer | messages.DirectoryOffer, **options: Any) -> Path:
        return self.receiver(**options)._choose_path(offer)

    def test_in_a_directory(self) -> None:
        """In a directory the last part of the peer's name is used."""
        self.assertEqual(self.place(messages.FileOffer("x", 1)), self.root / "x")
        self.assertEqual(self.place(messages.FileOffer("../../x", 1)), self.root / "x")
        self.assertRaises(UnsafeNameError, self.place, messages.FileOffer("..", 1))

    def test_as_a_name(self) -> None:
        """A path that the user gives is used whatever the peer's name is."""
        self.assertEqual(
            self.place(messages.FileOffer("x", 1), target=self.root / "y"), self.root / "y"
        )
        nowhere = self.root / "no" / "where"
        self.assertRaises(TransferError, self.place, messages.FileOffer("x", 1), target=nowhere)

    def test_existing(self) -> None:
        """An existing path is refused; only a file may be overwritten, and only by a file."""
        (self.root / "file").write_text("precious")
        (self.root / "folder").mkdir()
        (self.root / "dangling").symlink_to("nowhere")
        file, folder = messages.FileOffer("file", 1), messages.DirectoryOffer("folder", 1, 1, 1)
        for offer in (
            file,
            folder,
            messages.FileOffer("folder", 1),
            messages.FileOffer("dangling", 1),
        ):
            with self.subTest(offer=offer):
                self.assertRaises(TransferError, self.place, offer)
        self.assertEqual(self.place(file, overwrite=True), self.root / "file")
        for offer in (
            folder,
            messages.FileOffer("folder", 1),
            messages.DirectoryOffer("file", 1, 1, 1),
        ):
            with self.subTest(offer=offer):
                self.assertRaises(TransferError, self.place, offer, overwrite=True)

    def test_room(self) -> None:
        """An offer that does not fit on the disk is refused before it begins."""
        self.assertRaises(TransferError, self.place, messages.FileOffer("x", 2**80))
        self.assertRaises(TransferError, self.place, messages.DirectoryOffer("x", 1, 2**80, 1))

    def test_finished(self) -> None:
        """A complete file gets its name, unless another file has taken that meanwhile."""
        ready, place = self.root / "ready", self.root / "place"
        ready.write_text("new")
        self.receiver()._move(ready, place)
        self.assertEqual(place.read_text(), "new")
        place.write_text("precious")
        self.assertRaises(TransferError, self.receiver()._move, ready, place)
        self.assertEqual(place.read_text(), "precious")
        self.receiver(overwrite=True)._move(ready, place)
        self.assertEqual(place.read_text(), "new" if not ready.exists() else "precious")

    def test_finished_directory(self) -> None:
        """A complete directory gets its name, unless another has taken that meanwhile."""
        ready, place = self.root / "ready", self.root / "place"
        ready.mkdir()
        (ready / "x").write_text("new")
        self.receiver()._move(ready, place)
        self.assertEqual((place / "x").read_text(), "new")
        again = self.root / "again"
        again.mkdir()
        self.assertRaises(TransferError, self.receiver()._move, again, place)
        self.assertEqual((place / "x").read_text(), "new")
