"""Where a transfer may be stored, and where not."""

import tempfile
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from wormhole_client import offers
from wormhole_client.archive import UnsafeName
from wormhole_client.network import Internet
from wormhole_client.receiving import Receiver
from wormhole_client.talk import TransferError


async def yes(_: object, __: Path) -> bool:
    return True


class PlaceTests(SynchronousTestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = Path(scratch.name)

    def receiver(self, target: Path | None = None, **options: Any) -> Receiver:
        return Receiver(Clock(), Internet(Clock()), target or self.root, yes, **options)

    def place(self, offer: offers.File | offers.Directory, **options: Any) -> Path:
        return self.receiver(**options)._place(offer)

    def test_in_a_directory(self) -> None:
        """In a directory the peer's name is used, or what is safe of it."""
        self.assertEqual(self.place(offers.File("x", 1)), self.root / "x")
        self.assertEqual(self.place(offers.File("../../x", 1)), self.root / "x")
        self.assertRaises(UnsafeName, self.place, offers.File("..", 1))

    def test_as_a_name(self) -> None:
        """A name that we were told is used whatever the peer says."""
        self.assertEqual(self.place(offers.File("x", 1), target=self.root / "y"), self.root / "y")
        nowhere = self.root / "no" / "where"
        self.assertRaises(TransferError, self.place, offers.File("x", 1), target=nowhere)

    def test_existing(self) -> None:
        """What exists is refused; only a file may be overwritten, and only by a file."""
        (self.root / "file").write_text("precious")
        (self.root / "folder").mkdir()
        (self.root / "dangling").symlink_to("nowhere")
        file, folder = offers.File("file", 1), offers.Directory("folder", 1, 1, 1)
        for offer in (file, folder, offers.File("folder", 1), offers.File("dangling", 1)):
            with self.subTest(offer=offer):
                self.assertRaises(TransferError, self.place, offer)
        self.assertEqual(self.place(file, overwrite=True), self.root / "file")
        for offer in (folder, offers.File("folder", 1), offers.Directory("file", 1, 1, 1)):
            with self.subTest(offer=offer):
                self.assertRaises(TransferError, self.place, offer, overwrite=True)

    def test_room(self) -> None:
        """What does not fit on the disk is refused before it begins."""
        self.assertRaises(TransferError, self.place, offers.File("x", 2**80))
        self.assertRaises(TransferError, self.place, offers.Directory("x", 1, 2**80, 1))

    def test_finished(self) -> None:
        """What is complete gets its name, unless that has been taken meanwhile."""
        ready, place = self.root / "ready", self.root / "place"
        ready.write_text("new")
        self.receiver()._finish(ready, place)
        self.assertEqual(place.read_text(), "new")
        place.write_text("precious")
        self.assertRaises(TransferError, self.receiver()._finish, ready, place)
        self.assertEqual(place.read_text(), "precious")
        self.receiver(overwrite=True)._finish(ready, place)
        self.assertEqual(place.read_text(), "new" if not ready.exists() else "precious")

    def test_finished_directory(self) -> None:
        """So does a directory."""
        ready, place = self.root / "ready", self.root / "place"
        ready.mkdir()
        (ready / "x").write_text("new")
        self.receiver()._finish(ready, place)
        self.assertEqual((place / "x").read_text(), "new")
        again = self.root / "again"
        again.mkdir()
        self.assertRaises(TransferError, self.receiver()._finish, again, place)
        self.assertEqual((place / "x").read_text(), "new")
