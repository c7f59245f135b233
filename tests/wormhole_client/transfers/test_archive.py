"""Tests of archives: names, and zips that are unpacked, hostile ones too."""

import contextlib
import io
import stat
import tempfile
import warnings
import zipfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from wormhole_client.transfers.archive import (
    DEEPEST,
    DIRECTORIES_PER_FILE,
    SPARE_DIRECTORIES,
    ArchiveError,
    StoppedError,
    UnsafeNameError,
    safe_name,
    unpack,
)


def never() -> bool:
    return False


class Case(SynchronousTestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = Path(scratch.name)
        self.target = self.root / "target"
        self.target.mkdir()

    def outside(self) -> list[str]:
        return sorted(each.name for each in self.root.iterdir())


class HostileTests(Case):
    def zipped(self, *names: str, content: bytes = b"x", mode: int = 0) -> io.BytesIO:
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as writer:
            for name in names:
                entry = zipfile.ZipInfo(name)
                entry.external_attr = mode << 16
                entry.compress_type = zipfile.ZIP_DEFLATED
                writer.writestr(entry, content)
        return archive

    def test_stopped(self) -> None:
        """Unpacking can be stopped between two chunks."""
        archive = self.zipped("file")
        self.assertRaises(StoppedError, unpack, archive, self.target, 1, 1, lambda: True)
        self.assertEqual(list(self.target.iterdir()), [])

    def test_outside(self) -> None:
        """Names that lead out of the target are refused before anything is written."""
        for name in ("../evil", "/evil", "a/../../evil", "a/./../b", "..", "a\\..\\evil", "a\x01"):
            with self.subTest(name=name):
                archive = self.zipped("good", name)
                self.assertRaises(UnsafeNameError, unpack, archive, self.target, 100, 100, never)
                self.assertEqual(list(self.target.iterdir()), [])
                self.assertEqual(self.outside(), ["target"])

    def test_links(self) -> None:
        """Links and devices are refused."""
        for kind in (stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR):
            archive = self.zipped("link", content=b"/etc/passwd", mode=kind | 0o777)
            self.assertRaises(UnsafeNameError, unpack, archive, self.target, 100, 100, never)

    def test_bomb(self) -> None:
        """More bytes than announced are refused half-way, whatever the zip says about itself."""
        archive = self.zipped("bomb", content=bytes(10_000_000))
        self.assertLess(len(archive.getvalue()), 20_000)
        with self.assertRaises(ArchiveError) as caught:
            unpack(archive, self.target, 100_000, 1, never)
        self.assertIn("announced", str(caught.exception))
        self.assertLessEqual((self.target / "bomb").stat().st_size, 100_000)

    def test_more_files(self) -> None:
        """More files than announced are refused before anything is written."""
        archive = self.zipped("a", "b")
        self.assertRaises(ArchiveError, unpack, archive, self.target, 100, 1, never)
        self.assertEqual(list(self.target.iterdir()), [])

    def test_more_directories(self) -> None:
        """Directories are not announced: they are bounded by the files, and refused unwritten."""
        most = SPARE_DIRECTORIES + DIRECTORIES_PER_FILE
        archive = self.zipped(*(f"{number}/" for number in range(most - 1)), "file", content=b"")
        unpack(archive, self.target, 0, 1, never)
        archive = self.zipped(*(f"new-{number}/" for number in range(most - 1)), "new/file")
        self.assertRaises(ArchiveError, unpack, archive, self.target, 1, 1, never)
        self.assertEqual(list(self.target.glob("new*")), [])
        self.assertRaises(ArchiveError, unpack, self.zipped("a/" * 90), self.target, 0, -100, never)

    def test_too_deep(self) -> None:
        """Directories are nested no deeper than a tree can be removed again."""
        deep = self.zipped("a/" * (DEEPEST - 1) + "file")
        unpack(deep, self.target, 1, 1, never)
        archive = self.zipped("b/" * 1700 + "file")
        self.assertRaises(ArchiveError, unpack, archive, self.target, 1, 1, never)
        self.assertFalse((self.target / "b").exists())

    def test_method(self) -> None:
        """Only the compression of the protocol is taken."""
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_LZMA) as writer:
            writer.writestr("file", "x")
        self.assertRaises(ArchiveError, unpack, archive, self.target, 1, 1, never)

    def test_directions(self) -> None:
        """Characters that change the direction of writing are replaced in names, controls refused."""
        unpack(self.zipped("a\u202egpj.exe"), self.target, 1, 1, never)
        self.assertEqual([each.name for each in self.target.iterdir()], ["a_gpj.exe"])
        for name in ("a\x9b2J", "a\x7f", "a\u2028b"):
            archive = self.zipped(name)
            self.assertRaises(UnsafeNameError, unpack, archive, self.target, 1, 1, never)

    @given(st.integers(0, 10_000), st.binary(min_size=1, max_size=4))
    def test_damaged(self, position: int, damage: bytes) -> None:
        """A zip with any bytes changed is unpacked or refused."""
        sound = self.zipped("a/b", "c/", "ü", content=bytes(1000)).getvalue()
        at = position % len(sound)
        damaged = sound[:at] + damage + sound[at + len(damage) :]
        with (
            tempfile.TemporaryDirectory() as target,
            contextlib.suppress(ArchiveError, UnsafeNameError),
        ):
            unpack(io.BytesIO(damaged), Path(target), 3000, 3, never)

    def test_twice(self) -> None:
        """A name that is there twice is refused: the second would overwrite the first."""
        with warnings.catch_warnings(action="ignore"):
            archive = self.zipped("a", "a")
        self.assertRaises(ArchiveError, unpack, archive, self.target, 100, 2, never)

    def test_a_file_as_a_directory(self) -> None:
        """A name below a file is refused, not a crash."""
        archive = self.zipped("a", "a/b")
        self.assertRaises((ArchiveError, OSError), unpack, archive, self.target, 100, 2, never)

    @given(st.binary(max_size=200))
    def test_garbage(self, content: bytes) -> None:
        """Bytes that are no zip are refused."""
        with tempfile.TemporaryDirectory() as target:
            self.assertRaises(
                ArchiveError, unpack, io.BytesIO(content), Path(target), 100, 100, never
            )


class NameTests(SynchronousTestCase):
    def test_safe(self) -> None:
        """Of a path only the last part counts."""
        for said, expected in (
            ("file.txt", "file.txt"),
            ("/etc/passwd", "passwd"),
            ("../../evil", "evil"),
            ("C:\\temp\\x.doc", "x.doc"),
            ("folder/", "folder"),
            (".bashrc", ".bashrc"),
            ("ünïcode", "ünïcode"),
            ("annexe\u202egpj.exe", "annexe_gpj.exe"),
            ("\u2067name\u200f", "_name_"),
        ):
            with self.subTest(said=said):
                self.assertEqual(safe_name(said), expected)

    def test_refused(self) -> None:
        """Names that are none here are refused."""
        for said in (
            "",
            "/",
            ".",
            "..",
            "a/..",
            "a\x00b",
            "a\nb",
            "\x7f",
            "\x9b2J",
            "\ud800",
            "x" * 256,
        ):
            with self.subTest(said=said):
                self.assertRaises(UnsafeNameError, safe_name, said)

    @given(st.text())
    def test_any(self, said: str) -> None:
        """Whatever a peer sends, the result is one plain name."""
        try:
            name = safe_name(said)
        except UnsafeNameError:
            return
        self.assertEqual(Path(name).name, name)
