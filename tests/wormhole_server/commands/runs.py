"""
Running a command of `wormhole-server` in this process, for tests.
"""

from __future__ import annotations

import io
from collections.abc import Mapping

import attrs

from wormhole_server.commands.command import ExitStatus, ServerCommand, Terminal
from wormhole_server.config.command_line import parse_command_line
from wormhole_server.config.sources import load


@attrs.frozen
class Run:
    """The exit status of a command, and what it printed."""

    status: ExitStatus
    out: str
    err: str


def run(command: ServerCommand, *words: str, environment: Mapping[str, str] | None = None) -> Run:
    """Run a command with the words that follow its name on the command line."""
    line = parse_command_line(words, command.parameters)
    loaded = load(line.flags, environment or {})
    out, err = io.StringIO(), io.StringIO()
    status = command.run(loaded, line.arguments, Terminal(environment or {}, out, err))
    return Run(status, out.getvalue(), err.getvalue())
