"""
A command of `wormhole-server`: its words, its help, its parameters and its function.

Owns the form only. Each command has a module beside this one; `wormhole_server/cli.py` lists them all.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Container, Mapping
from typing import IO

import attrs

from wormhole_server.config.command_line import Arguments, Parameter
from wormhole_server.config.settings import BY_NAME
from wormhole_server.config.sources import Loaded
from wormhole_server.lifecycle.standard_streams import ERROR_PRIORITY, is_journal, with_priority


class ExitStatus(enum.IntEnum):
    """The exit status of the process."""

    OK = 0  # the command succeeded
    FAILED = 1  # the command failed
    UNUSABLE = 2  # the command line or the configuration is invalid


@attrs.frozen
class Terminal:
    """The environment and the streams that a command runs with."""

    environment: Mapping[str, str]
    out: IO[str]
    err: IO[str]

    def say(self, line: str) -> None:
        """Print an error message, after the name of the program."""
        line = f"wormhole-server: {line}"
        journal = is_journal(self.environment)
        print(with_priority(line, ERROR_PRIORITY) if journal else line, file=self.err)


@attrs.frozen
class ServerCommand:
    """
    A command.

    :ivar words: `run`, or `config check`.
    :ivar help: one line.
    :ivar options: the names of the options that it reads.
    :ivar run: runs the command with valid settings. Imports by itself what is slow to import. Reports
        invalid arguments of its own, and returns `ExitStatus.UNUSABLE`.
    """

    words: str
    help: str
    run: Callable[[Loaded, Arguments, Terminal], ExitStatus]
    parameters: tuple[Parameter, ...] = ()
    options: Container[str] = BY_NAME
