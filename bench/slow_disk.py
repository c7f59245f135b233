"""
A disk on which every fsync and fdatasync takes some milliseconds longer.

It is a library preloaded into the server. `preload` builds it and proves, in the very Python
that the server runs on, that both system calls and a commit of SQLite have become slower.
"""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from bench.common import WORK, BenchError

_SOURCE = Path(__file__).with_name("slow_fsync.c")

# Prints the seconds that ten fsyncs, ten fdatasyncs and ten commits of SQLite took.
_PROBE = """
import os, sqlite3, sys, time
path = sys.argv[1]
def ten(call):
    start = time.perf_counter()
    for _ in range(10):
        call()
    return time.perf_counter() - start
fd = os.open(path + ".probe", os.O_CREAT | os.O_RDWR)
db = sqlite3.connect(path, isolation_level=None)
db.execute("PRAGMA journal_mode=WAL")
db.execute("PRAGMA synchronous=FULL")
db.execute("CREATE TABLE t (x)")
print(ten(lambda: os.fsync(fd)), ten(lambda: os.fdatasync(fd)),
      ten(lambda: db.execute("INSERT INTO t VALUES (1)")))
"""


def preload(milliseconds: float, pythons: Mapping[str, Path], scratch: Path) -> dict[str, str]:
    """
    The environment that gives a process the slow disk.

    :param pythons: the interpreters that it must work in, by the name of their server.
    :raises BenchError: there is no C compiler, or the library has no effect in one of `pythons`.
    """
    library = WORK / "slow_fsync.so"
    command = ["cc", "-shared", "-fPIC", "-O2", "-o", str(library), str(_SOURCE), "-ldl"]
    try:
        subprocess.run(command, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise BenchError(f"the slow disk needs a C compiler: {error}") from error
    library.chmod(0o755)
    environment = {
        "LD_PRELOAD": str(library),
        "SLOW_FSYNC_MICROSECONDS": str(round(milliseconds * 1000)),
    }
    for name, python in pythons.items():
        _prove(name, python, scratch, environment, at_least=10 * milliseconds / 1000)
    return environment


def _prove(
    name: str, python: Path, scratch: Path, environment: Mapping[str, str], at_least: float
) -> None:
    for case, extra, slow in (("plain", {}, False), ("slow", environment, True)):
        path = scratch / f"probe-{name}-{case}.db"
        done = subprocess.run(
            [str(python), "-c", _PROBE, str(path)],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, **extra},
        )
        seconds = [float(text) for text in done.stdout.split()]
        if slow and min(seconds) < at_least:
            raise BenchError(f"the slow disk has no effect in {python}: {seconds} s for ten calls")
        if not slow and min(seconds) >= at_least:
            raise BenchError(f"this disk is slow by itself: {seconds} s for ten calls")
