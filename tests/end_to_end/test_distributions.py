"""
The wheel and the source distribution: the same bytes from the same commit, wherever they are built.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

from tools.distributions import build, commit_time, export
from tools.release_notes import ROOT, version


def _make_other(directory: Path) -> None:
    """Other times, and files that only their owner reads."""
    for number, file in enumerate(sorted(directory.rglob("*"))):
        file.chmod(0o700 if file.is_dir() or file.stat().st_mode & 0o100 else 0o600)
        os.utime(file, (1_600_000_000 + number, 1_600_000_000 + number))


def test_reproducible(tmp_path: Path) -> None:
    """Two builds in two places, with other times, modes and umasks, give the same two files."""
    export(tmp_path / "one")
    first = build(tmp_path / "one", tmp_path / "first", commit_time())
    export(tmp_path / "another place")
    _make_other(tmp_path / "another place")
    umask = os.umask(0o077)
    try:
        second = build(tmp_path / "another place", tmp_path / "second", commit_time())
    finally:
        os.umask(umask)
    assert [file.name for file in first] == [file.name for file in second]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name
    _has_all(*first)
    _can_be_installed(first[1], tmp_path)


def _has_all(archive: Path, wheel: Path) -> None:
    number = version()
    assert archive.name == f"wormhole_server-{number}.tar.gz"
    with tarfile.open(archive) as packed:
        members = packed.getmembers()
    assert {member.mtime for member in members} == {commit_time()}
    assert {(member.uid, member.gid, member.uname) for member in members} == {(0, 0, "")}
    assert {member.mode for member in members} <= {0o644, 0o755}
    with zipfile.ZipFile(wheel) as packed_wheel:
        names = set(packed_wheel.namelist())
        client = json.loads(packed_wheel.read("wormhole_server/web/client/files.json"))
    assert {f"wormhole_server/web/client/{name}" for name in client} <= names
    for module in subprocess.run(
        ["git", "ls-files", "rendezvous", "transit_relay", "wormhole_*", "migrations", "twisted"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split():
        assert module.replace("migrations/", "wormhole_server/migrations/") in names, module


def _can_be_installed(wheel: Path, tmp_path: Path) -> None:
    """The wheel alone, without the checkout in reach."""
    target = tmp_path / "installed"
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile"),
            *(f"--target={target}", str(wheel)),
        ],
        check=True,
    )
    shown = subprocess.run(
        [sys.executable, "-m", "wormhole_server", "--version"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(target)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert shown.split()[-1] == version()
