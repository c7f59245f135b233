"""
Commands and flags in the project's documents are those that there are.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.project.markdown import FILES, ROOT, blocks, spans
from wormhole_client.commands.options import make_parser
from wormhole_server.cli import COMMANDS
from wormhole_server.config.command_line import known_flags

# What happened is told in the words of its time.
DOCUMENTS = [file for file in FILES if file.name != "CHANGELOG.md"]
# They name other programs' flags by themselves.
OF_OTHERS = {"migrating.md"}
FOREIGN = {
    "--nodaemon",  # twistd
    "--relay-server",  # wormhole-rs
    "--rendezvous-server",  # wormhole-rs
}

# What may stand before a command that is ours.
_BEFORE = r"""
    (?: ^ \s* (?: [$#] \s )? | && \s* | \| \s* | ; \s* | ExecStart\S*= | exec \s (?: -\S+ \s )* \S+ \s )
    (?: sudo \s (?: -u \s \S+ \s )? )?
    (?: [A-Z_]+= (?: '[^']*' | "[^"]*" | \S* ) \s+ )*
"""
_OURS = re.compile(
    rf"{_BEFORE} (?: \S*/ )? (wormhole-server|wormhole-client) (?= \s | $ ) ([^|;&\#>\n]*)",
    re.MULTILINE | re.VERBOSE,
)
_TWIST = re.compile(
    rf"{_BEFORE} twistd? \s [^\n]*? wormhole-server (?= \s | $ ) ([^|;&\#>\n]*)",
    re.MULTILINE | re.VERBOSE,
)
_FLAG = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")


def _server_flags(words: list[str]) -> set[str] | None:
    """Of the command that these words begin with; None where there is none."""
    for command in COMMANDS:
        path = command.words.split()
        if words[: len(path)] == path:
            return set(known_flags(command.parameters))
    return None


def client_parsers() -> dict[str, argparse.ArgumentParser]:
    (choice,) = [
        action
        for action in make_parser()._actions
        if isinstance(action, argparse._SubParsersAction)
    ]
    return dict(choice.choices)


def _client_flags(words: list[str]) -> set[str] | None:
    """The same of the client's."""
    command = client_parsers().get(words[0]) if words else None
    return None if command is None else set(command._option_string_actions)


def _every_flag() -> set[str]:
    of_server = (known_flags(command.parameters) for command in COMMANDS)
    of_client = (each._option_string_actions for each in client_parsers().values())
    return FOREIGN.union(*of_server, *of_client)


def _code(file: Path) -> Iterator[str]:
    for block in blocks(file):
        yield block.replace("\\\n", " ")
    yield from spans(file)


def _wrong(code: str) -> Iterator[str]:
    """What is no command of ours, or has a flag that it does not take."""
    for match in _OURS.finditer(code):
        program, rest = match.groups()
        words = re.split(r"\s--|\s-\w|…|\.\.\.|\s[A-Z]+\b", rest)[0].split()
        if not words and not _FLAG.search(rest):
            continue  # the program alone
        if re.match(r"\s+--(help|version)\b", rest):
            continue
        flags = _server_flags(words) if program == "wormhole-server" else _client_flags(words)
        if flags is None:
            yield f"no such command: {match[0].strip()}"
        else:
            yield from (
                f"{flag}: {match[0].strip()}" for flag in _FLAG.findall(rest) if flag not in flags
            )
    for match in _TWIST.finditer(code):
        known = set(known_flags())
        yield from (flag for flag in _FLAG.findall(match[1]) if flag not in known)


@pytest.mark.parametrize("file", DOCUMENTS, ids=lambda file: str(file.relative_to(ROOT)))
def test_command_lines(file: Path) -> None:
    """Each command line of ours has a command that there is, and flags that it takes."""
    assert [wrong for code in _code(file) for wrong in _wrong(code)] == []


@pytest.mark.parametrize(
    "file",
    [file for file in DOCUMENTS if file.name not in OF_OTHERS],
    ids=lambda file: str(file.relative_to(ROOT)),
)
def test_flags(file: Path) -> None:
    """A flag that is named by itself is one that some command of ours takes."""
    known = _every_flag()
    named = (_FLAG.match(span) for span in spans(file))
    assert sorted({match[0] for match in named if match and match[0] not in known}) == []


def test_finds_what_is_wrong() -> None:
    """These tests see commands and flags, and those that are wrong."""
    right = "sudo -u me X='a b' wormhole-server run --motd=hi\ntwistd --nodaemon wormhole-server --motd=hi\n"
    assert list(_wrong(right)) == []
    assert list(_wrong("/usr/bin/wormhole-client check --size=5 | tee x")) == []
    assert list(_wrong("apt-get install wormhole-server --yes")) == []
    for code in (
        "wormhole-server config chekc",
        "wormhole-server run --mtod=hi",
        "docker compose exec wormhole wormhole-server helth",
        "wormhole-client check --no-such-flag",
        "twist wormhole-server --mtod=hi",
    ):
        assert len(list(_wrong(code))) == 1, code
