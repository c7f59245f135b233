"""Directories to zips and back, and zips that mean harm."""

import io
import os
import stat
import tempfile
import warnings
import zipfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from wormhole_client.archive import BadArchive, UnsafeName, pack, safe_name, unpack


class Case(SynchronousTestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = Path(scratch.name)
        self.target = self.root / "target"
        self.target.mkdir()

    def outside(self) -> list[str]:
        return sorted(each.name for each in self.root.iterdir())


class RoundTripTests(Case):
    def test_round_trip(self) -> None:
        """Files, their contents and execute bits, and empty directories come back."""
        source = self.root / "source"
        (source / "a" / "empty").mkdir(parents=True)
        (source / "a" / "data").write_bytes(os.urandom(100_000))
        (source / "run").write_text("x")
        (source / "run").chmod(0o755)
        (source / "link").symlink_to("run")
        (source / "loop").symlink_to(source, target_is_directory=True)
        archive = io.BytesIO()
        packed = pack(source, archive)
        self.assertEqual((packed.files, packed.content), (3, 100_002))
        unpack(archive, self.target, packed.content, packed.files)
        self.assertEqual(
            (self.target / "a" / "data").read_bytes(), (source / "a" / "data").read_bytes()
        )
        self.assertTrue((self.target / "a" / "empty").is_dir())
        self.assertTrue(os.access(self.target / "run", os.X_OK))
        self.assertFalse((self.target / "link").is_symlink())
        self.assertFalse((self.target / "loop").exists())

    def test_not_a_file(self) -> None:
        """What is neither file nor directory is named, and not waited for."""
        os.mkfifo(self.target / "fifo")
        with self.assertRaises(OSError) as caught:
            pack(self.target, io.BytesIO())
        self.assertIn("fifo", str(caught.exception))


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

    def test_outside(self) -> None:
        """Names that lead out of the target are refused before anything is written."""
        for name in ("../evil", "/evil", "a/../../evil", "a/./../b", "..", "a\\..\\evil", "a\x01"):
            with self.subTest(name=name):
                archive = self.zipped("good", name)
                self.assertRaises(UnsafeName, unpack, archive, self.target, 100, 100)
                self.assertEqual(list(self.target.iterdir()), [])
                self.assertEqual(self.outside(), ["target"])

    def test_links(self) -> None:
        """Links and devices are refused."""
        for kind in (stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR):
            archive = self.zipped("link", content=b"/etc/passwd", mode=kind | 0o777)
            self.assertRaises(UnsafeName, unpack, archive, self.target, 100, 100)

    def test_bomb(self) -> None:
        """More bytes than announced are refused half-way, whatever the zip says about itself."""
        archive = self.zipped("bomb", content=bytes(10_000_000))
        self.assertLess(len(archive.getvalue()), 20_000)
        with self.assertRaises(BadArchive) as caught:
            unpack(archive, self.target, 100_000, 1)
        self.assertIn("announced", str(caught.exception))
        self.assertLessEqual((self.target / "bomb").stat().st_size, 100_000)

    def test_more_files(self) -> None:
        """More files than announced are refused before anything is written."""
        archive = self.zipped("a", "b")
        self.assertRaises(BadArchive, unpack, archive, self.target, 100, 1)
        self.assertEqual(list(self.target.iterdir()), [])

    def test_twice(self) -> None:
        """A name that is there twice is refused: the second would overwrite the first."""
        with warnings.catch_warnings(action="ignore"):
            archive = self.zipped("a", "a")
        self.assertRaises(BadArchive, unpack, archive, self.target, 100, 2)

    def test_a_file_as_a_directory(self) -> None:
        """A name below a file is refused, not a crash."""
        archive = self.zipped("a", "a/b")
        self.assertRaises((BadArchive, OSError), unpack, archive, self.target, 100, 2)

    @given(st.binary(max_size=200))
    def test_garbage(self, content: bytes) -> None:
        """Bytes that are no zip are refused."""
        with tempfile.TemporaryDirectory() as target:
            self.assertRaises(BadArchive, unpack, io.BytesIO(content), Path(target), 100, 100)


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
        ):
            with self.subTest(said=said):
                self.assertEqual(safe_name(said), expected)

    def test_refused(self) -> None:
        """Names that are none here are refused."""
        for said in ("", "/", ".", "..", "a/..", "a\x00b", "a\nb", "\x7f", "x" * 256):
            with self.subTest(said=said):
                self.assertRaises(UnsafeName, safe_name, said)

    @given(st.text())
    def test_any(self, said: str) -> None:
        """Whatever is said, the result is one plain name."""
        try:
            name = safe_name(said)
        except UnsafeName:
            return
        self.assertEqual(Path(name).name, name)
