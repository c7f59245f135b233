"""
Images where there is no registry: made from Debian's packages, under the names that `docker-compose.yml`
pins, so that its lines are run as they stand. They prove our lines, not the official images.
"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.containers.engine import Engine, run

PROJECT = Path(__file__).parents[2]
# As Compose takes them in a checkout, whatever the directory that it is started in.
COMPOSE_FILES = [PROJECT / "docker-compose.yml", PROJECT / "docker-compose.override.yml"]
STAND_INS = Path(__file__).parent / "stand_ins"
# What each official image stands on, as far as it matters here.
_PYTHON = "ca-certificates,python3,python3-pip,python3-venv"
_SERVICES = "busybox,caddy,haproxy,libcap2-bin,postgresql,prometheus"
_LINES = ("path-exclude=/usr/share/doc/*", "path-exclude=/usr/share/man/*")
# pip asks through whatever the machine asks through; Debian forbids it to install outside a venv.
_LIKE_OFFICIAL_PYTHON = """
set -eu
for each in /usr/local/share/ca-certificates/*.crt; do
    [ ! -e "$each" ] || cp "$each" "$1/usr/local/share/ca-certificates/"
done
chroot "$1" update-ca-certificates >/dev/null 2>&1
rm -f "$1"/usr/lib/python3*/EXTERNALLY-MANAGED
"""
# The health checks of the Alpine images ask with this.
_LIKE_ALPINE = 'ln -s busybox "$1/bin/wget"'


def pinned() -> dict[str, str]:
    """The images that the compose files name, by the variable that names another: `PYTHON_IMAGE`."""
    text = "".join(file.read_text() for file in COMPOSE_FILES)
    return dict(re.findall(r"\$\{(\w+_IMAGE):-([^}]+)\}", text))


def make_all(engine: Engine, where: Path) -> None:
    """Every image but Grafana's, which Debian does not have."""
    names = pinned()
    with ThreadPoolExecutor() as workers:
        python = workers.submit(_root, where / "python.tar", _PYTHON, _LIKE_OFFICIAL_PYTHON)
        services = workers.submit(_root, where / "services.tar", _SERVICES, _LIKE_ALPINE)
        _load(engine, python.result(), names["PYTHON_IMAGE"])
        _load(engine, services.result(), "stand-in:services")
    for service in ("postgres", "haproxy", "caddy", "prometheus"):
        engine.docker(
            "build",
            "--quiet",
            f"--file={STAND_INS / service}.Dockerfile",
            f"--tag={names[f'{service.upper()}_IMAGE']}",
            str(STAND_INS),
        )


def _load(engine: Engine, archive: Path, name: str) -> None:
    engine.docker("import", str(archive), name)
    archive.unlink()


def _root(archive: Path, packages: str, customize: str) -> Path:
    release = Path("/etc/os-release").read_text()
    suite = re.search(r"^VERSION_CODENAME=(\w+)$", release, re.MULTILINE)
    assert suite is not None, "this is no Debian"
    run(
        [
            "mmdebstrap",
            "--quiet",
            "--variant=minbase",
            f"--include={packages}",
            *(f"--dpkgopt={line}" for line in _LINES),
            f"--customize-hook={customize}",
            suite[1],
            str(archive),
            _mirror(suite[1]),
        ]
    )
    return archive


def _mirror(suite: str) -> str:
    """The one that apt uses here."""
    targets = run(
        ["apt-get", "indextargets", "--format=$(REPO_URI)", f"Codename: {suite}", "Component: main"]
    )
    assert targets, "apt knows no packages here: apt-get update"
    return targets.split()[0]
