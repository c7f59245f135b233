"""Shells that complete command lines, with a person at the keyboard."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from tests.end_to_end.terminals import Terminal, terminal
from tools.command_files import command_files

# What is typed, and what the program is then started with.
LINES: Final = (
    ("wormhole-server back\t", "backup"),
    ("wormhole-server conf\tsh\t", "config show"),
    ("wormhole-server hel\tconf\tch\t", "help config check"),
    ("wormhole-server run --log-fo\tjs\t", "run --log-format=json"),
    ("wormhole-server run --config=not\t", "run --config=notes.toml"),
    ("wormhole-server run --config=\t", "run --config=notes.toml"),
    ("wormhole-server run --disallow-l\t", "run --disallow-list"),
    ("wormhole-server backup --for\tnot\t", "backup --force notes.toml"),
    ("wormhole-client receive --over\t-o not\t", "receive --overwrite -o notes.toml"),
    ("wormhole-client sen\tnot\t", "send notes.toml"),
)


@contextlib.contextmanager
def shell(
    command: Sequence[str], directory: Path, begin: str, programs: Sequence[str]
) -> Iterator[Terminal]:
    """
    A shell in a terminal, in a directory with one file; the files of completion are in `../share`.

    :param begin: typed first: what loads the completion.
    :param programs: typed then: they let each program print its arguments in brackets.
    """
    for place, text in command_files(0):
        path = directory / "share" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    work = directory / "work"
    work.mkdir()
    (work / "notes.toml").touch()
    with terminal(command, work) as opened:
        for line in (begin, *programs, "echo rea''dy"):
            opened.type(f"{line}\r".encode())
        opened.wait_for("ready")
        yield opened


def completes(opened: Terminal, typed: str, wanted: str) -> None:
    """Type a line whose words the shell completes; fails unless the program is started as is wanted."""
    opened.output = ""
    opened.type(typed.encode())
    opened.type(b"\r")
    found = opened.wait_for(r"\[([^\]\r\n]*)\]\r")
    # Some write `--flag value`.
    assert found[1].strip().replace("=", " ") == wanted.replace("=", " "), opened.output
