"""
The wheel and the source distribution of a release: the same bytes from the same commit.

    python -m tools.distributions DIRECTORY

Both are made of the commit that is checked out, by the tools that the development environment pins; the
wheel is built from the source distribution, so that both hold the same. Owns what differs between two builds
and must not: times, owners, modes and order. setuptools writes a reproducible wheel when SOURCE_DATE_EPOCH is
set, but not a reproducible source distribution, which is therefore packed again.
"""

from __future__ import annotations

import gzip
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
# What a file may be: read by everybody, written by its owner, executed if it was.
_FILE_MODE: Final = 0o644
_PROGRAM_MODE: Final = 0o755


def build(source: Path, destination: Path, epoch: int) -> tuple[Path, Path]:
    """
    Build both.

    :param source: the project's directory.
    :param destination: a directory, made if it does not exist.
    :param epoch: the time of everything in them, in seconds since 1970.
    :return: the source distribution and the wheel.
    """
    destination.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        [raw] = _build("sdist", source, Path(scratch) / "sdist", epoch)
        archive = destination / raw.name
        archive.write_bytes(_normalized(raw.read_bytes(), epoch))
        with tarfile.open(archive) as packed:
            packed.extractall(Path(scratch) / "unpacked", filter="data")
        [unpacked] = (Path(scratch) / "unpacked").iterdir()
        [wheel] = _build("wheel", unpacked, Path(scratch) / "wheel", epoch)
        return archive, Path(shutil.move(wheel, destination / wheel.name))


def commit_time() -> int:
    """Return when what is checked out was committed, in seconds since 1970."""
    return int(_git("log", "-1", "--format=%ct"))


def export(destination: Path) -> None:
    """Write what is committed, and nothing that earlier builds have left, to a directory."""
    with tarfile.open(fileobj=io.BytesIO(_git("archive", "--format=tar", "HEAD"))) as packed:
        packed.extractall(destination, filter="data")


def _git(*arguments: str) -> bytes:
    return subprocess.run(  # noqa: S603 - our own arguments
        ["git", *arguments],  # noqa: S607 - whichever git the machine has
        cwd=ROOT,
        check=True,
        capture_output=True,
    ).stdout


def _build(kind: str, source: Path, destination: Path, epoch: int) -> list[Path]:
    subprocess.run(  # noqa: S603 - our own arguments
        [
            *(sys.executable, "-m", "build", "--no-isolation"),
            *(f"--{kind}", f"--outdir={destination}", str(source)),
        ],
        env={**os.environ, "SOURCE_DATE_EPOCH": str(epoch)},
        # Some of the files in a wheel have the modes that they are written with.
        umask=0o022,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return list(destination.iterdir())


def _normalized(archive: bytes, epoch: int) -> bytes:
    packed = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(archive)) as old,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as new,
    ):
        for member in sorted(old.getmembers(), key=lambda each: each.name):
            member.mtime = epoch
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            member.mode = _PROGRAM_MODE if member.isdir() or member.mode & 0o100 else _FILE_MODE
            member.pax_headers = {}
            new.addfile(member, old.extractfile(member) if member.isfile() else None)
    return gzip.compress(packed.getvalue(), mtime=epoch)


def main() -> None:
    with tempfile.TemporaryDirectory() as source:
        export(Path(source))
        for made in build(Path(source), Path(sys.argv[1]), commit_time()):
            print(made)


if __name__ == "__main__":
    main()
