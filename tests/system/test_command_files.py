"""
Manual pages and completion, as the programs that read them take them.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.end_to_end.shells import LINES, completes, shell
from tools.command_files import command_files

NAMES = ("wormhole-server", "wormhole-client")


def test_zsh(tmp_path: Path) -> None:
    """The tab key completes commands, flags, their values and files in zsh."""
    begin = "fpath=(../share/zsh/vendor-completions $fpath); autoload -U compinit; compinit -u -D"
    programs = [f'{name}() {{ echo "[$*]"; }}' for name in NAMES]
    with shell(["zsh", "-f", "-i"], tmp_path, begin, programs) as opened:
        for typed, wanted in LINES:
            completes(opened, typed, wanted)


def test_fish(tmp_path: Path) -> None:
    """The same in fish."""
    begin = "; ".join(f"source ../share/fish/vendor_completions.d/{name}.fish" for name in NAMES)
    programs = [f"function {name}; echo [(string join ' ' -- $argv)]; end" for name in NAMES]
    with shell(["fish", "--no-config", "-i"], tmp_path, begin, programs) as opened:
        for typed, wanted in LINES:
            completes(opened, typed, wanted)


@pytest.mark.parametrize(
    "command", [["mandoc", "-T", "lint"], ["groff", "-ww", "-man", "-Tutf8", "-z"]]
)
def test_manual_pages(command: list[str]) -> None:
    """The programs that show manual pages have nothing to say against them."""
    for place, text in command_files(0):
        if place.startswith("man/"):
            done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
            assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), place
