"""
Tests of the tool for mutation testing: which changes it makes of a module.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tools import mutate

SOURCE = '''"""A module."""
LIMIT = 3


def join(first: int, second: int = 1) -> int:
    """Join."""
    if first < second and first:
        raise ValueError("no")
    return first + second
'''


def test_mutants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each change is one valid module; documentation, annotations and named figures stay as they are."""
    (tmp_path / "module.py").write_text(SOURCE)
    monkeypatch.setattr(mutate, "ROOT", tmp_path)
    found = list(mutate.mutants(Path("module.py")))
    assert [each.after for each in found] == [
        "def join(first: int, second: int=2) -> int:",
        "if not (first < second and first):",
        "if first < second or first:",
        "if first <= second and first:",
        "pass",
        "return None",
        "return first - second",
    ]
    for each in found:
        compile(each.source, "module.py", "exec")
        assert "LIMIT = 3" in each.source
    assert len({each.source for each in found}) == len(found)


# A signal comes while PostgreSQL runs.
_KILLED = """
import os, signal, sys
from tools import mutate
mutate._run_tests = lambda *_: os.kill(os.getpid(), signal.SIGTERM)
sys.argv = ["mutate", "rendezvous/protocol/moods.py"]
mutate.main()
"""


@pytest.mark.processes
def test_killed() -> None:
    """A signal ends PostgreSQL as well, and deletes its files."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTEST_XDIST_TESTRUNUID"}
    killed = subprocess.Popen([sys.executable, "-c", _KILLED], cwd=mutate.ROOT, env=environment)
    assert killed.wait() == 128 + signal.SIGTERM
    assert not (Path(tempfile.gettempdir()) / f"wormhole-postgres-{killed.pid}").exists()
