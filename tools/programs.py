"""
The two programs as data: their commands, flags and arguments, for what is made of them.

Owns the conversion from the definitions that the command lines are parsed by: the settings and the commands
of `wormhole-server`, and the parser of `wormhole-client`. `completion.py` and `manual_pages.py` use it.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import attrs

from wormhole_client.commands.options import make_parser
from wormhole_server.cli import COMMANDS
from wormhole_server.config import kinds
from wormhole_server.config.command_line import PREAMBLE, HelpRequest, Parameter
from wormhole_server.config.option import Group, Option
from wormhole_server.config.settings import OPTIONS
from wormhole_server.config.show import show_default

# What stands for a file in the help of the server.
_FILE = "FILE"


@attrs.frozen
class Flag:
    """
    A flag.

    :ivar names: all its names; those of a switch include the one that turns it off.
    :ivar placeholder: stands for its value; None for a switch.
    :ivar default: as the help shows it; None where the help says it.
    :ivar words: the values to choose from; none where there are others.
    :ivar is_file: whether its value is a path.
    """

    names: tuple[str, ...]
    help: str
    placeholder: str | None = None
    default: str | None = None
    words: tuple[str, ...] = ()
    is_file: bool = False


@attrs.frozen
class Argument:
    """A positional argument; `is_file`: whether it is a path."""

    name: str
    help: str
    is_file: bool


@attrs.frozen
class Command:
    """A command; `words`: what is typed, as `config check`."""

    words: str
    help: str
    flags: tuple[Flag, ...]
    arguments: tuple[Argument, ...]


@attrs.frozen
class Program:
    """
    A program.

    :ivar summary: a line on what it does.
    :ivar requests: the flags that every command takes and that do not run it.
    :ivar shared: other flags that every command takes, by the title of their group.
    :ivar preamble: what holds for the shared flags.
    :ivar notes: what else a manual says: titles and texts.
    """

    name: str
    summary: str
    commands: tuple[Command, ...]
    requests: tuple[Flag, ...]
    shared: tuple[tuple[str, tuple[Flag, ...]], ...]
    preamble: str
    notes: tuple[tuple[str, str], ...]

    @property
    def common(self) -> list[Flag]:
        """The flags that every command takes."""
        return [*(flag for _, flags in self.shared for flag in flags), *self.requests]


def server_program() -> Program:
    """Describe `wormhole-server`."""
    return Program(
        "wormhole-server",
        "rendezvous server and transit relay for Magic Wormhole",
        tuple(
            Command(
                each.words,
                each.help,
                tuple(_from_parameter(one) for one in each.parameters if one.is_flag),
                tuple(
                    Argument(one.name, one.help, one.name == _FILE)
                    for one in each.parameters
                    if not one.is_flag
                ),
            )
            for each in COMMANDS
        ),
        _REQUESTS,
        tuple(
            (group.value, tuple(_from_option(one) for one in OPTIONS if one.group is group))
            for group in Group
        ),
        PREAMBLE,
        (
            (
                "Exit status",
                "0 for success, 1 for a failure, 2 for an invalid command line or configuration.",
            ),
            ("See also", "wormhole-client(1), systemd.socket(5), journalctl(1)"),
        ),
    )


def client_program() -> Program:
    """Describe `wormhole-client`."""
    top = make_parser()
    (choice,) = (each for each in top._actions if isinstance(each, argparse._SubParsersAction))  # noqa: SLF001 - argparse shows them nowhere else
    helps = {each.dest: each.help or "" for each in choice._choices_actions}  # noqa: SLF001
    return Program(
        "wormhole-client",
        "send and receive through a Magic Wormhole server",
        tuple(
            Command(
                name,
                f"{helps[name].capitalize()}.",
                tuple(_from_actions(parser, flags=True)),
                tuple(
                    Argument(flag.names[0], flag.help, flag.is_file)
                    for flag in _from_actions(parser, flags=False)
                ),
            )
            for name, parser in choice.choices.items()
        ),
        _REQUESTS,
        (),
        "",
        (
            (
                "Environment",
                "WORMHOLE_RELAY_URL and WORMHOLE_TRANSIT_HELPER are the defaults of the first two options.",
            ),
            (
                "Exit status",
                "0 for success, 1 for a failure, 2 for an invalid command line, 130 after Ctrl-C.",
            ),
            ("See also", "wormhole-server(1), wormhole(1)"),
        ),
    )


_REQUESTS = (
    Flag(HelpRequest.HELP.value, "Print the options of the command."),
    Flag(HelpRequest.VERSION.value, "Print the version."),
)


def _from_option(option: Option) -> Flag:
    names: tuple[str, ...] = (option.flag,)
    if option.kind is kinds.SWITCH:
        return Flag((*names, f"--no-{option.name}"), option.help, default=show_default(option))
    text = f"{option.help} May be given more than once." if option.many else option.help
    return _with_values(Flag(names, text, option.kind.placeholder, show_default(option)))


def _from_parameter(parameter: Parameter) -> Flag:
    return _with_values(Flag((parameter.name,), parameter.help, parameter.placeholder))


def _with_values(flag: Flag) -> Flag:
    parts = (flag.placeholder or "").split("|")
    words = parts if all(re.fullmatch(r"[a-z]+", part) for part in parts) else []
    return attrs.evolve(flag, words=tuple(words), is_file=_FILE in parts)


def _from_actions(parser: argparse.ArgumentParser, *, flags: bool) -> Iterator[Flag]:
    requests = {name for each in _REQUESTS for name in each.names}
    for action in parser._actions:  # noqa: SLF001
        names = tuple(action.option_strings)
        if bool(names) is flags and not requests.intersection(names):
            yield Flag(
                names or (action.dest,),
                (action.help or "") % vars(action),
                None if action.nargs == 0 else str(action.metavar or action.dest.upper()),
                is_file=action.type is Path,
            )
