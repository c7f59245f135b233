"""
The Debian package: what lintian says of it; installed, upgraded, removed and purged in a machine of its own.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.project.markdown import ROOT
from tests.system.machines import SERVICE, SETTINGS, SOCKETS, TEXT, Machine, booted, unpacked
from tools.release_notes import version

DATA = "/var/lib/private/wormhole-server"
# A package of the same files, which counts as older.
OLDER = "0.9.0"
CHECK = (
    *("wormhole-client", "check", "--relay-url=ws://127.0.0.1:4000/v1"),
    "--transit-helper=tcp:127.0.0.1:4001",
)
# Prints how many records of use there are, and the schema.
_COUNT = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1])
[usage] = database.execute("select count(*) from mailbox_usage").fetchone()
[schema] = database.execute("select version_num from alembic_version").fetchone()
print(usage, schema)
"""
# What dpkg, systemd and the user's entry leave, and what the machine writes of itself.
_LEFT = re.compile(
    r"/var/(lib/dpkg|lib/systemd|log|tmp)/.*|/etc/(passwd|group|shadow|gshadow)-?|/etc/\.pwd\.lock"
)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make deb` makes."""
    made = tmp_path_factory.mktemp("dist")
    # A release is compressed harder, which takes a minute.
    environment = {**os.environ, "DPKG_DEB_COMPRESSOR_TYPE": "gzip"}
    subprocess.run(["make", "deb", f"DIST={made}"], cwd=ROOT, env=environment, check=True)
    [package] = made.glob("*.deb")
    return package


@pytest.fixture(scope="module")
def machine(archive: Path, package: Path) -> Iterator[Machine]:
    """A machine that has both packages in /root."""
    with unpacked(archive) as root:
        shutil.copy(package, root / "root/new.deb")
        _write_older(package, root / "root/older.deb")
        with booted(root) as machine:
            yield machine


@pytest.fixture(autouse=True)
def purged(request: pytest.FixtureRequest) -> Iterator[None]:
    """Leave a machine without the package, if there is a machine."""
    yield
    if "machine" in request.fixturenames:
        request.getfixturevalue("machine").run("dpkg", "--purge", "wormhole-server")


def _write_older(package: Path, older: Path) -> None:
    contents = older.with_suffix("")
    subprocess.run(["dpkg-deb", "--raw-extract", str(package), str(contents)], check=True)
    control = contents / "DEBIAN/control"
    control.write_text(re.sub("(?m)^Version: .*", f"Version: {OLDER}", control.read_text()))
    subprocess.run(["dpkg-deb", "--build", "-Znone", str(contents), str(older)], check=True)
    shutil.rmtree(contents)


def _files(machine: Machine) -> set[str]:
    listing = machine.run("find", "/etc", "/usr", "/opt", "/var", "-xdev", "!", "-type", "d").stdout
    return {line for line in listing.splitlines() if not _LEFT.fullmatch(line)}


def _states(machine: Machine) -> dict[str, tuple[str, str]]:
    return {
        unit: (machine.show(unit, "ActiveState"), machine.show(unit, "UnitFileState"))
        for unit in (*SOCKETS, SERVICE)
    }


def _count(machine: Machine) -> list[str]:
    path = f"{DATA}/wormhole-server.db"
    return machine.run("python3", "-c", _COUNT, path).stdout.split()


def test_lintian(package: Path) -> None:
    """lintian has no error to report; those that are overridden stand with their reasons beside them."""
    assert package.name.startswith(f"wormhole-server_{version()}_")
    done = subprocess.run(
        ["lintian", "--allow-root", "--fail-on=error", "--display-level=error", str(package)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_command_files(package: Path) -> None:
    """Manual pages and completion are where `man` and the shells look for them."""
    listing = subprocess.run(
        ["dpkg-deb", "--contents", str(package)], capture_output=True, text=True, check=True
    ).stdout
    for name in ("wormhole-server", "wormhole-client"):
        for place in (
            f"man/man1/{name}.1.gz",
            f"bash-completion/completions/{name}",
            f"zsh/vendor-completions/_{name}",
            f"fish/vendor_completions.d/{name}.fish",
        ):
            assert f" ./usr/share/{place}\n" in listing


def test_install(machine: Machine, tmp_path: Path) -> None:
    """Installed with one command, it serves: as its user, with its page, through systemd's sockets."""
    before = _files(machine)
    machine.run("dpkg", "--install", "/root/new.deb")
    assert set(_states(machine).values()) == {("active", "enabled")}
    assert machine.show(SERVICE, "StatusText") == "Serving."
    machine.run(*CHECK)
    with machine.sending(tmp_path, TEXT) as (sender, code):
        machine.receive_text(tmp_path, sender, code)
    assert machine.get("/") == "200"
    owner = machine.run("stat", "--format=%U", f"{DATA}/wormhole-server.db").stdout.strip()
    assert owner == "wormhole-server"
    assert "wormhole-server" in machine.run("cat", "/etc/passwd").stdout
    # Nothing was written that the package does not have, but data and systemd's links.
    assert machine.run("dpkg", "--verify", "wormhole-server").stdout == ""
    own = set(machine.run("dpkg", "--listfiles", "wormhole-server").stdout.split("\n"))
    more = {file for file in _files(machine) - before - own if not file.startswith("/var/lib/")}
    assert {Path(file).name for file in more} == {SERVICE, *SOCKETS}
    machine.run("dpkg", "--purge", "wormhole-server")
    assert _files(machine) == before


def test_upgrade(machine: Machine) -> None:
    """An upgrade restarts a server that runs, and keeps its ports, its settings and its database."""
    machine.run("dpkg", "--install", "/root/older.deb")
    machine.run("sh", "-c", f"echo 'motd = \"Mine.\"' >>{SETTINGS}")
    machine.run(*CHECK)
    machine.run("systemctl", "stop", *SOCKETS, SERVICE)
    usage, schema = _count(machine)
    assert int(usage) > 0
    # As the first schema had it.
    database = f"--database=sqlite:///{DATA}/wormhole-server.db"
    machine.run("wormhole-server", "migrate", "--back-to=0001", database)
    assert _count(machine) == [usage, "0001"]
    machine.run("dpkg", "--install", "/root/new.deb")
    assert set(_states(machine).values()) == {("active", "enabled")}
    assert _count(machine) == [usage, schema]

    machine.run("dpkg", "--install", "/root/older.deb")
    before = machine.show(SERVICE, "MainPID")
    opened = [machine.show(unit, "ActiveEnterTimestampMonotonic") for unit in SOCKETS]
    machine.run("dpkg", "--install", "/root/new.deb")
    assert machine.show(SERVICE, "MainPID") not in {before, "0"}
    assert [machine.show(unit, "ActiveEnterTimestampMonotonic") for unit in SOCKETS] == opened
    assert machine.get("/readyz") == "200"
    assert "Mine." in machine.run("cat", SETTINGS).stdout


def test_disabled(machine: Machine) -> None:
    """An upgrade does not enable or start what the administrator has disabled."""
    machine.run("dpkg", "--install", "/root/older.deb")
    machine.run("systemctl", "disable", "--now", *SOCKETS, SERVICE)
    machine.run("dpkg", "--install", "/root/new.deb")
    assert set(_states(machine).values()) == {("inactive", "disabled")}


def test_remove(machine: Machine) -> None:
    """Removed, it does not serve, but its data and settings are there for the next installation."""
    machine.run("dpkg", "--install", "/root/new.deb")
    machine.run(*CHECK)
    usage, _ = _count(machine)
    machine.run("dpkg", "--remove", "wormhole-server")
    assert machine.get("/readyz") == "URLError"
    assert {state for state, _ in _states(machine).values()} == {"inactive"}
    assert machine.run("test", "-e", "/usr/lib/wormhole-server", check=False).returncode == 1
    machine.run("test", "-e", SETTINGS)
    machine.run("dpkg", "--install", "/root/new.deb")
    assert _count(machine)[0] == usage
    assert machine.get("/readyz") == "200"
