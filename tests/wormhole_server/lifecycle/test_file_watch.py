"""Tests of `wormhole_server.lifecycle.file_watch`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_server.files import new_path
from wormhole_server.lifecycle.file_watch import FileWatch


class WatchTests(SynchronousTestCase):
    def setUp(self) -> None:
        """A file that has been read."""
        self.path = new_path(self)
        self.path.write_text("one")
        self.watch = FileWatch([str(self.path)])

    def test_nothing(self) -> None:
        """A file that is left as it is has not changed."""
        self.assertEqual([self.watch.has_changed() for _ in range(3)], [False] * 3)

    def test_change(self) -> None:
        """A change counts from the second call on, until the file is read."""
        self.path.write_text("another")
        self.assertEqual([self.watch.has_changed() for _ in range(3)], [False, True, True])
        self.watch.files_read()
        self.assertFalse(self.watch.has_changed())

    def test_written_in_pieces(self) -> None:
        """A file that is being written has not changed yet."""
        for text in ("t", "tw", "two and"):
            self.path.write_text(text)
            self.assertFalse(self.watch.has_changed())
        self.assertTrue(self.watch.has_changed())

    def test_link_that_points_elsewhere(self) -> None:
        """A link is followed: its target is watched."""
        link = self.path.with_name("link")
        link.symlink_to(self.path)
        watch = FileWatch([str(link)])
        other = self.path.with_name("other")
        other.write_text("one")
        link.unlink()
        link.symlink_to(other)
        self.assertEqual([watch.has_changed() for _ in range(2)], [False, True])

    def test_gone_and_come(self) -> None:
        """Removing a file is a change, and creating it again is another."""
        text = self.path.read_text()
        self.path.unlink()
        self.assertEqual([self.watch.has_changed() for _ in range(2)], [False, True])
        self.watch.files_read()
        self.path.write_text(text)
        self.assertEqual([self.watch.has_changed() for _ in range(2)], [False, True])

    def test_any_of_several(self) -> None:
        """One changed file of several is enough."""
        other = self.path.with_name("other")
        watch = FileWatch([str(self.path), str(other)])
        other.write_text("new")
        self.assertEqual([watch.has_changed() for _ in range(2)], [False, True])

    def test_no_name(self) -> None:
        """An impossible file name is a missing file."""
        self.assertFalse(FileWatch(["a\0b"]).has_changed())
