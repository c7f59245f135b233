"""Tests of the zip that a directory is sent as: what is in it, its size, and files that change."""

import io
import os
import tempfile
import zipfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from wormhole_client.transfers import zip_stream
from wormhole_client.transfers.archive import StoppedError, unpack
from wormhole_client.transfers.session import TransferError
from wormhole_client.transfers.zip_stream import ZipStream, list_entries, zip_size


def never() -> bool:
    return False


def read_whole(source: Path, piece: int = 65536) -> bytes:
    """The zip of a directory, as it is sent, after its size was found to be what was computed."""
    entries = list_entries(source, never)
    stream = io.BufferedReader(ZipStream(entries), piece)
    read = b"".join(iter(lambda: stream.read(piece), b""))
    assert len(read) == zip_size(entries)
    return read


class Unseekable(io.BytesIO):
    """A file that only takes bytes, as a connection does."""

    def tell(self) -> int:
        raise OSError


class Case(SynchronousTestCase):
    def setUp(self) -> None:
        self.root = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.source = self.root / "source"
        self.source.mkdir()


class ContentTests(Case):
    def test_round_trip(self) -> None:
        """Files, their contents, times and execute bits, and empty directories come back."""
        (self.source / "a" / "empty").mkdir(parents=True)
        (self.source / "a" / "data").write_bytes(os.urandom(200_000))
        (self.source / "nothing").touch()
        (self.source / "run").write_text("x")
        (self.source / "run").chmod(0o755)
        (self.source / "ünïcode").write_text("x")
        os.utime(self.source / "run", (86400, 86400))  # of 1970, which a zip cannot hold
        (self.source / "link").symlink_to("run")
        (self.source / "loop").symlink_to(self.source, target_is_directory=True)
        target = self.root / "target"
        for piece in (65536, 1000):
            archive = io.BytesIO(read_whole(self.source, piece))
            target.joinpath(str(piece)).mkdir(parents=True)
            unpack(archive, target / str(piece), 200_003, 5, never)
        got = target / "1000"
        self.assertEqual(
            (got / "a" / "data").read_bytes(), (self.source / "a" / "data").read_bytes()
        )
        self.assertTrue((got / "a" / "empty").is_dir())
        self.assertTrue(os.access(got / "run", os.X_OK))
        self.assertEqual((got / "ünïcode").read_text(), "x")
        self.assertFalse((got / "link").is_symlink())
        self.assertFalse((got / "loop").exists())

    def test_entries(self) -> None:
        """Only an empty directory has an entry: some receivers make a file of each such entry."""
        (self.source / "a" / "b").mkdir(parents=True)
        (self.source / "a" / "b" / "file").touch()
        (self.source / "empty").mkdir()
        (self.source / "links").mkdir()
        (self.source / "links" / "loop").symlink_to(self.source, target_is_directory=True)
        with zipfile.ZipFile(io.BytesIO(read_whole(self.source))) as archive:
            self.assertIsNone(archive.testzip())
            self.assertEqual(sorted(archive.namelist()), ["a/b/file", "empty/", "links/"])

    def test_empty(self) -> None:
        """A directory with nothing in it is a zip with nothing in it."""
        with zipfile.ZipFile(io.BytesIO(read_whole(self.source))) as archive:
            self.assertEqual(archive.namelist(), [])

    def test_same_as_python(self) -> None:
        """Each byte is what Python writes into a zip on a connection."""
        (self.source / "ä").write_text("content")
        info = zipfile.ZipInfo.from_file(self.source / "ä", "ä")
        output = Unseekable()
        with zipfile.ZipFile(output, "w") as archive, archive.open(info, "w") as file:
            file.write(b"content")
        self.assertEqual(read_whole(self.source), output.getvalue())

    def test_large(self) -> None:
        """Sizes, offsets and counts for which the fields of a zip are too small have fields of their own."""
        self.patch(zip_stream, "LARGEST_FIELD", 100)
        self.patch(zip_stream, "MOST_ENTRIES", 3)
        for name, size in (("a", 300), ("b", 50), ("c", 101)):
            (self.source / name).write_bytes(bytes(size))
        with zipfile.ZipFile(io.BytesIO(read_whole(self.source))) as archive:
            self.assertIsNone(archive.testzip())
            self.assertEqual([each.file_size for each in archive.infolist()], [300, 50, 101])

    def test_stopped(self) -> None:
        """The walk can be stopped between two files."""
        (self.source / "file").touch()
        self.assertRaises(StoppedError, list_entries, self.source, lambda: True)


class ChangedTests(Case):
    def setUp(self) -> None:
        super().setUp()
        self.file = self.source / "file"
        self.file.write_text("content")
        self.stream = ZipStream(list_entries(self.source, never))

    def test_size(self) -> None:
        """A file that grew or shrank is named as it is in the zip."""
        for content, change in (("more content", "grew"), ("less", "shrank"), ("", "shrank")):
            with self.subTest(content=content):
                stream = ZipStream(list_entries(self.source, never))
                self.file.write_text(content)
                with self.assertRaises(TransferError) as caught:
                    stream.readall()
                self.assertEqual(str(caught.exception), f"'file' {change} while it was being sent")
                self.file.write_text("content")

    def test_gone(self) -> None:
        """A file that was removed fails the reading."""
        self.file.unlink()
        self.assertRaises(FileNotFoundError, self.stream.readall)

    def test_closed(self) -> None:
        """A stream that is closed in the middle of a file closes that."""
        descriptors = len(os.listdir("/proc/self/fd"))
        while self.stream.read(5) != b"conte":
            pass
        self.assertEqual(len(os.listdir("/proc/self/fd")), descriptors + 1)
        self.stream.close()
        self.assertEqual(len(os.listdir("/proc/self/fd")), descriptors)


class UnsendableTests(Case):
    def setUp(self) -> None:
        super().setUp()
        (self.source / "fine").write_text("x")
        (self.source / "broken").symlink_to("nowhere")

    def test_named(self) -> None:
        """A link that leads nowhere is named, with where it leads."""
        error = self.assertRaises(OSError, list_entries, self.source, never)
        self.assertIn(f"{self.source / 'broken'} is a link to nowhere", str(error))

    def test_not_a_file(self) -> None:
        """What is neither file nor directory is named, and not waited for."""
        (self.source / "broken").unlink()
        os.mkfifo(self.source / "fifo")
        error = self.assertRaises(OSError, list_entries, self.source, never)
        self.assertIn("fifo", str(error))

    def test_left_out(self) -> None:
        """What cannot be read is left out and reported, where that is wanted."""
        os.mkfifo(self.source / "pipe")
        errors = list[str]()
        entries = list_entries(self.source, never, lambda error: errors.append(str(error)))
        self.assertEqual(([each.path.name for each in entries], len(errors)), (["fine"], 2))
