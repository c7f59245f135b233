"""
The manual page of a program, in the macros of man(7). No I/O.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

from tools.programs import Argument, Command, Flag, Program
from wormhole_server.version import VERSION

# Characters of a line of the source, as editors show it.
_WIDTH = 78


def manual_page(program: Program, day: str) -> str:
    """
    Write the page.

    :param day: of the version, as 2026-01-31.
    """
    return "\n".join([*_lines(program, day), ""])


def _lines(program: Program, day: str) -> Iterator[str]:
    name = _text(program.name)
    yield f'.TH {program.name.upper()} 1 {day} "wormhole-server {VERSION}"'
    yield ".SH NAME"
    yield f"{name} \\- {_text(program.summary)}"
    yield ".SH SYNOPSIS"
    for command in program.commands:
        yield from (f"{_usage(program, command)}", ".br")
    yield f"{_bold(f'{program.name} help')} [\\fICOMMAND\\fR]"
    yield ".SH COMMANDS"
    for command in program.commands:
        yield f".SS {program.name} {command.words}"
        yield from _paragraphs(command.help)
        for argument in command.arguments:
            yield from _entry(argument)
        for flag in command.flags:
            yield from _entry(flag)
    yield ".SH OPTIONS"
    yield "Every command takes these."
    for flag in program.requests:
        yield from _entry(flag)
    if program.shared:
        yield ".SH SETTINGS"
        yield from _paragraphs(program.preamble)
        for title, flags in program.shared:
            yield f".SS {title}"
            for flag in flags:
                yield from _entry(flag)
    for title, text in program.notes:
        yield f".SH {title.upper()}"
        yield from _paragraphs(text)


def _usage(program: Program, command: Command) -> str:
    arguments = "".join(f" \\fI{_text(each.name)}\\fR" for each in command.arguments)
    return f"{_bold(f'{program.name} {command.words}')} [options]{arguments}"


def _entry(each: Flag | Argument) -> Iterator[str]:
    yield ".TP"
    if isinstance(each, Argument):
        yield f"\\fI{_text(each.name)}\\fR"
        yield from _paragraphs(each.help)
        return
    value = f"=\\fI{_text(each.placeholder)}\\fR" if each.placeholder else ""
    names = [
        _bold(name) + (value if name.startswith("--") else value.replace("=", " ", 1))
        for name in each.names
    ]
    yield ", ".join(names)
    yield from _paragraphs(each.help)
    if each.default is not None:
        yield _text(f"Default: {each.default}")


def _paragraphs(text: str) -> Iterator[str]:
    for number, paragraph in enumerate(text.strip().split("\n\n")):
        if number:
            yield ".PP"
        # A sentence begins a line, as roff expects it.
        for sentence in re.split(r"(?<=[^.]\.) (?=[A-Z\-])", " ".join(paragraph.split())):
            for line in textwrap.wrap(_text(sentence), _WIDTH, break_on_hyphens=False):
                yield f"\\&{line}" if line.startswith((".", "'")) else line


def _bold(text: str) -> str:
    return f"\\fB{_text(text)}\\fR"


def _text(text: str) -> str:
    """Escape what roff would interpret."""
    return text.replace("\\", "\\e").replace("-", "\\-")
