"""
The manual pages and the completion have every command and every option that there is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.project.test_commands import client_parsers
from tools.command_files import command_files
from tools.manual_pages import manual_page
from tools.programs import Command, Program
from wormhole_server.cli import COMMANDS
from wormhole_server.config.command_line import known_flags
from wormhole_server.config.option import Option
from wormhole_server.config.settings import OPTIONS
from wormhole_server.config.show import show_default

FILES = dict(command_files(0))


def _flags(name: str) -> Iterator[tuple[str, str]]:
    """Each command of a program, with each of its flags."""
    if name == "wormhole-server":
        for command in COMMANDS:
            for flag in known_flags(command.parameters):
                yield command.words, flag
    else:
        for words, parser in client_parsers().items():
            for flag in parser._option_string_actions:
                yield words, flag


def _named(place: str, flag: str) -> bool:
    written = flag.replace("-", r"\-") if place.startswith("man/") else flag
    if place.endswith(".fish"):
        written = f"-l {flag[2:]} " if flag.startswith("--") else f"-s {flag[1:]} "
    return (
        re.search(
            rf"{re.escape(written)}(?![\w-])" if written[-1] != " " else re.escape(written),
            FILES[place],
        )
        is not None
    )


@pytest.mark.parametrize("place", FILES)
def test_everything(place: str) -> None:
    """Each command and each flag stands in each file of its program."""
    [name] = {each for each in ("wormhole-server", "wormhole-client") if each in place}
    pairs = list(_flags(name))
    assert len(pairs) > 30
    assert sorted({flag for _, flag in pairs if not _named(place, flag)}) == []
    for words in {words for words, _ in pairs}:
        assert all(re.search(rf"\b{word}\b", FILES[place]) for word in words.split()), words


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_settings_in_manual(option: Option) -> None:
    """The manual has what each setting means, and its default."""
    page = (
        FILES["man/man1/wormhole-server.1"]
        .replace(r"\-", "-")
        .replace("\\e", "\\")
        .replace("\\&", "")
    )
    entry = page.split(f"\n.TP\n\\fB{option.flag}\\fR")[1].split("\n.")[0]
    assert " ".join(option.help.split()) in " ".join(entry.split())
    assert f"\nDefault: {show_default(option)}" in entry


def test_macros() -> None:
    """No line of a manual page begins with what only looks like a macro."""
    odd = Command("run", ".ab ends the page. 'Nor is this one.", (), ())
    pages = [text for place, text in FILES.items() if place.startswith("man/")]
    for text in (*pages, manual_page(Program("x", "y", (odd,), (), (), "", ()), "2026-01-31")):
        control = {line.split()[0] for line in text.splitlines() if line.startswith((".", "'"))}
        assert control <= {".TH", ".SH", ".SS", ".TP", ".PP", ".br"}
