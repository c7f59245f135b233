"""
The distributions: a wheel has the browser client and needs no Node; a source distribution can be built.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.project.markdown import ROOT
from tools import web_build

CLIENT = "wormhole_server/web/client/"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The project as it is committed, with the npm packages that are here already."""
    folder = tmp_path / "source"
    tracked = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(tracked, cwd=ROOT, capture_output=True, check=True, text=True)
    for name in filter(None, listed.stdout.split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    return folder


def _build(source: Path, kind: str, to: Path, **environment: str) -> Path:
    """Call a hook of the build backend, as pip does; return what it made."""
    _lend_packages(source)
    to.mkdir(exist_ok=True)
    program = f"from tools import build_backend; build_backend.build_{kind}({str(to)!r})"
    subprocess.run(
        [sys.executable, "-c", program],
        cwd=source,
        env={**os.environ, **environment, "PYTHONPATH": str(source)},
        capture_output=True,
        check=True,
    )
    [made] = to.iterdir()
    return made


def _lend_packages(source: Path) -> None:
    web_build.install()
    modules = source / "web" / "node_modules"
    if not modules.exists():
        shutil.copytree(
            web_build.WEB / "node_modules", modules, copy_function=os.link, symlinks=True
        )


def _client(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.startswith(CLIENT)]
        return {name.removeprefix(CLIENT): archive.read(name) for name in names}


def test_wheel(source: Path, tmp_path: Path) -> None:
    """A wheel has all files of the client, and nothing that it was built of."""
    wheel = _build(source, "wheel", tmp_path / "wheel")
    client = _client(wheel)
    assert json.loads(client["files.json"]).keys() <= client.keys()
    with zipfile.ZipFile(wheel) as archive:
        assert not [name for name in archive.namelist() if name.startswith(("web/", "tools/"))]


def test_source_distribution(source: Path, tmp_path: Path) -> None:
    """A wheel of a source distribution has the same client, built again."""
    wheel = _build(source, "wheel", tmp_path / "wheel")
    with tarfile.open(_build(source, "sdist", tmp_path / "sdist")) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    [unpacked] = (tmp_path / "unpacked").iterdir()
    assert [path.name for path in (unpacked / CLIENT).iterdir()] == ["__init__.py"]
    assert not (unpacked / "web" / "node_modules").exists()
    again = _build(unpacked, "wheel", tmp_path / "again")
    assert _client(again) == _client(wheel)


def test_switch(source: Path, tmp_path: Path) -> None:
    """Without the client a wheel has nothing of it, even where one with it was built before."""
    _build(source, "wheel", tmp_path / "with")
    wheel = _build(source, "wheel", tmp_path / "without", **{web_build.NO_WEB: "1"})
    assert list(_client(wheel)) == ["__init__.py"]
