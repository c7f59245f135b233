"""
Completion in bash, as a person at the keyboard has it.
"""

from __future__ import annotations

from pathlib import Path

from tests.end_to_end.shells import LINES, completes, shell
from tools.programs import client_program, server_program


def test_bash(tmp_path: Path) -> None:
    """The tab key completes commands, flags, their values and files."""
    names = [program.name for program in (server_program(), client_program())]
    begin = "; ".join(f"source ../share/bash-completion/completions/{name}" for name in names)
    programs = [f'{name}() {{ echo "[$*]"; }}' for name in names]
    with shell(["bash", "--norc", "--noprofile", "-i"], tmp_path, begin, programs) as opened:
        for typed, wanted in LINES:
            completes(opened, typed, wanted)
