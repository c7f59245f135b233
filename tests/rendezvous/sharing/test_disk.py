"""Tests of `rendezvous.sharing.disk`."""

from __future__ import annotations

import tempfile

from twisted.trial.unittest import SynchronousTestCase

from rendezvous.sharing.disk import DiskReserve, DiskSpace, automatic_reserve, read_disk

MIB = 1 << 20


class AutomaticReserveTests(SynchronousTestCase):
    def test_sizes(self) -> None:
        """The reserve is 5 % of a large disk, 256 MiB of one of usual size, a quarter of a small one."""
        for total, reserve in ((64, 16), (1024, 256), (4096, 256), (5120, 256), (102_400, 5120)):
            self.assertEqual(automatic_reserve(total * MIB), reserve * MIB)


class DiskReserveTests(SynchronousTestCase):
    def setUp(self) -> None:
        """A disk of 64 MiB."""
        self.free = 64 * MIB
        self.reads = 0

    def read(self) -> DiskSpace:
        """Read it."""
        self.reads += 1
        return DiskSpace(64 * MIB, self.free)

    def test_room(self) -> None:
        """There is room until no more than the reserve is free, and again when more is."""
        disk = DiskReserve(self.read, None)
        for now, free, room in ((0, 17, True), (1, 16, False), (2, 3, False), (3, 20, True)):
            self.free = free * MIB
            self.assertEqual(disk.has_room(now), room)

    def test_not_read_every_time(self) -> None:
        """The disk is read a hundred times a second at most."""
        disk = DiskReserve(self.read, None)
        for _ in range(100):
            disk.has_room(5.0)
        self.assertEqual(self.reads, 1)
        self.free = 0
        self.assertTrue(disk.has_room(5.005))
        self.assertFalse(disk.has_room(5.011))

    def test_coming(self) -> None:
        """What is about to be stored counts twice, once for the log, until it has been stored."""
        self.free = 18 * MIB
        disk = DiskReserve(self.read, None)
        disk.coming += MIB
        self.assertFalse(disk.has_room(0.0))
        disk.coming -= 1
        self.assertTrue(disk.has_room(0.0))

    def test_settings(self) -> None:
        """A reserve may be given, and turned off; one that changes holds at once."""
        self.free = 10 * MIB
        disk = DiskReserve(self.read, 10 * MIB)
        self.assertFalse(disk.has_room(0.0))
        disk.change(9 * MIB)
        self.assertTrue(disk.has_room(0.0))
        self.free = 0
        disk.change(0)
        self.assertTrue(disk.has_room(0.0))

    def test_unknown(self) -> None:
        """Where nothing is known of the disk, there is room."""
        self.assertTrue(DiskReserve(lambda: None, None).has_room(0.0))


class ReadDiskTests(SynchronousTestCase):
    def test_read(self) -> None:
        """A disk is read; one that cannot be read is unknown."""
        disk = read_disk(tempfile.gettempdir())
        assert disk is not None
        self.assertTrue(0 <= disk.free <= disk.total)
        self.assertIsNone(read_disk("/nonexistent"))
