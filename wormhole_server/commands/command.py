"""
What a command of `wormhole-server` is: its words, its help, what it takes beside the settings, and what it
does.

Owns the shape alone. Each command has a module beside this one; `wormhole_server.cli` lists them all.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import IO

import attrs

from wormhole_server.sources import Loaded


class Status(enum.IntEnum):
    """How a command ended: the exit status of the process."""

    OK = 0  # all went well
    FAILED = 1  # something went wrong
    UNUSABLE = 2  # the command line or the configuration cannot be used


@attrs.frozen
class Terminal:
    """What a command is run in."""

    environment: Mapping[str, str]
    out: IO[str]
    err: IO[str]

    def say(self, line: str) -> None:
        """Tell the operator what is wrong."""
        print(f"wormhole-server: {line}", file=self.err)


@attrs.frozen
class Parameter:
    """
    Something that a command takes beside the settings: a flag, or a word at its place.

    :ivar name: `--days`, or, for a word at its place, what it stands for: `FILE`.
    :ivar placeholder: of a flag's value, such as `N`; None for a switch, and for a word at its place.
    :ivar required: whether the command can do nothing without it.
    """

    name: str
    help: str
    placeholder: str | None = None
    required: bool = False

    @property
    def is_flag(self) -> bool:
        """A flag, rather than a word at its place."""
        return self.name.startswith("--")


@attrs.frozen
class Arguments:
    """What was given for a command's own parameters, as it was typed. Names are `Parameter.name`."""

    values: Mapping[str, str] = attrs.field(factory=dict)
    switches: frozenset[str] = frozenset()

    def get(self, name: str) -> str | None:
        """The value of a flag, or the word at its place; None where there is none."""
        return self.values.get(name)

    def __getitem__(self, name: str) -> str:
        """What was given for a parameter that is required."""
        return self.values[name]

    def __contains__(self, name: str) -> bool:
        """Whether a switch was given."""
        return name in self.switches


@attrs.frozen
class Command:
    """
    A command.

    :ivar words: `run`, or `config check`.
    :ivar help: one line.
    :ivar run: does it, with settings that can be used; whatever is heavy it imports itself. What is wrong
        with its own arguments it says, and returns `Status.UNUSABLE`.
    """

    words: str
    help: str
    run: Callable[[Loaded, Arguments, Terminal], Status]
    parameters: tuple[Parameter, ...] = ()
