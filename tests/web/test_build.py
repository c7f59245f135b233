"""
The build of the browser client: the same bytes each time, small, with the licenses of what it contains.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import shutil
from pathlib import Path

import pytest

from tools import web_build

LARGEST = 40 * 1024  # bytes, compressed


@pytest.fixture(scope="module")
def assets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a build makes."""
    folder = tmp_path_factory.mktemp("assets")
    web_build.build(folder)
    return folder


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The sources in another place, with their npm packages."""
    web_build.install()
    web = tmp_path / "web"
    shutil.copytree(
        web_build.WEB, web, ignore=shutil.ignore_patterns("build", "node_modules", "tests")
    )
    modules = web_build.WEB / "node_modules"
    shutil.copytree(modules, web / "node_modules", copy_function=os.link, symlinks=True)
    monkeypatch.setattr(web_build, "WEB", web)
    return web


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_reproducible(assets: Path, copy: Path, tmp_path: Path) -> None:
    """The same sources give the same bytes, in another folder too."""
    again = tmp_path / "again"
    web_build.build(again)
    assert copy.exists()
    assert _contents(again) == _contents(assets)


def test_unchanged(assets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is built again while the sources are unchanged."""

    def run_node(*arguments: str) -> None:
        raise AssertionError(arguments)

    monkeypatch.setattr(web_build, "run_node", run_node)
    web_build.build(assets)


def test_changed(copy: Path, tmp_path: Path) -> None:
    """A changed source is built, and what the earlier build made is removed."""
    assets = tmp_path / "assets"
    web_build.build(assets)
    before = web_build.digest()
    (copy / "core" / "codes" / "words.ts").write_text(
        "export const TWO_SYLLABLES = [], THREE_SYLLABLES = [];"
    )
    assert web_build.digest() != before
    files = json.loads((assets / "files.json").read_bytes())
    (assets / "files.json").write_text(json.dumps({**files, "old.js": ""}))
    (assets / "old.js").touch()
    web_build.build(assets)
    assert not (assets / "old.js").exists()
    assert b"adroitness" not in (assets / "worker.js").read_bytes()


def test_switch(assets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the browser client nothing is built, and nothing of an earlier build is left."""
    folder = tmp_path / "assets"
    shutil.copytree(assets, folder)
    (folder / "__init__.py").touch()
    monkeypatch.setenv(web_build.NO_WEB, "1")
    web_build.build(folder)
    assert [path.name for path in folder.iterdir()] == ["__init__.py"]


def test_list(assets: Path) -> None:
    """The list names every file with its hash."""
    listed = json.loads((assets / "files.json").read_bytes())
    others = {"files.json", "sources.sha256"}
    assert listed == {
        name: hashlib.sha256(content).hexdigest()
        for name, content in _contents(assets).items()
        if name not in others
    }


def test_licenses(assets: Path) -> None:
    """Each npm package of the bundles is there with its license."""
    package = json.loads((web_build.WEB / "package.json").read_bytes())
    text = (assets / "licenses.txt").read_text("utf-8")
    for name in package["dependencies"].keys() - {"esbuild"}:
        assert re.search(rf"^{name} [\d.]+ \(MIT\)$", text, re.MULTILINE), name
    packages = re.findall(r"^\S+ [\d.]+ \(MIT\)$", text, re.MULTILINE)
    assert text.count("Permission is hereby granted") == len(packages)


def test_size(assets: Path) -> None:
    """All that a browser loads to send or receive a file is small: one language, and no zip."""
    sizes = {
        name: len(gzip.compress(content, mtime=0))
        for name, content in _contents(assets).items()
        if name.endswith((".js", ".css"))
    }
    languages = [size for name, size in sizes.items() if re.match(r"(?:de|en)-", name)]
    [zipping] = [size for name, size in sizes.items() if name.startswith("client-zip-")]
    assert len(languages) == 2
    assert sum(sizes.values()) - min(languages) - zipping <= LARGEST


def test_lock_file() -> None:
    """The lock file names no registry, and every package is pinned."""
    lock = json.loads((web_build.WEB / "package-lock.json").read_bytes())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert packages
    assert not [name for name, entry in packages.items() if "resolved" in entry]
    assert not [name for name, entry in packages.items() if "integrity" not in entry]
    package = json.loads((web_build.WEB / "package.json").read_bytes())
    versions = {**package["dependencies"], **package["devDependencies"]}
    assert not [name for name, version in versions.items() if not re.fullmatch(r"[\d.]+", version)]
