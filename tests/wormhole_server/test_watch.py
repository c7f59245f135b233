"""Tests of `wormhole_server.watch`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_server.files import new_path
from wormhole_server.watch import Watch


class WatchTests(SynchronousTestCase):
    def setUp(self) -> None:
        """One file, which has been read."""
        self.path = new_path(self)
        self.path.write_text("one")
        self.watch = Watch([str(self.path)])

    def test_nothing(self) -> None:
        """A file that stays as it is has not changed."""
        self.assertEqual([self.watch.has_changed() for _ in range(3)], [False] * 3)

    def test_change(self) -> None:
        """A change counts at the second look, and until the file is read."""
        self.path.write_text("another")
        self.assertEqual([self.watch.has_changed() for _ in range(3)], [False, True, True])
        self.watch.reading()
        self.assertFalse(self.watch.has_changed())

    def test_written_in_pieces(self) -> None:
        """Nothing has changed as long as somebody is writing."""
        for text in ("t", "tw", "two and"):
            self.path.write_text(text)
            self.assertFalse(self.watch.has_changed())
        self.assertTrue(self.watch.has_changed())

    def test_link_that_points_elsewhere(self) -> None:
        """A link is followed: what it points to is what is watched."""
        link = self.path.with_name("link")
        link.symlink_to(self.path)
        watch = Watch([str(link)])
        other = self.path.with_name("other")
        other.write_text("one")
        link.unlink()
        link.symlink_to(other)
        self.assertEqual([watch.has_changed() for _ in range(2)], [False, True])

    def test_gone_and_come(self) -> None:
        """That a file is gone is a change, and that it is there again is another."""
        text = self.path.read_text()
        self.path.unlink()
        self.assertEqual([self.watch.has_changed() for _ in range(2)], [False, True])
        self.watch.reading()
        self.path.write_text(text)
        self.assertEqual([self.watch.has_changed() for _ in range(2)], [False, True])

    def test_any_of_several(self) -> None:
        """Of files that are read together, one is enough."""
        other = self.path.with_name("other")
        watch = Watch([str(self.path), str(other)])
        other.write_text("new")
        self.assertEqual([watch.has_changed() for _ in range(2)], [False, True])

    def test_no_name(self) -> None:
        """A name that no file can have is a file that is not there."""
        self.assertFalse(Watch(["a\0b"]).has_changed())
