"""
The command line of `wormhole-server`: which commands there are, and from words to one of them.

A composition root: it takes the process's arguments, environment and standard streams. The exit status is
a `Status`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from twisted.python import usage

from wormhole_server.commands.backup import BACKUP, RESTORE
from wormhole_server.commands.command import Command, Status, Terminal
from wormhole_server.commands.configuration import CHECK, SHOW
from wormhole_server.commands.doctor import DOCTOR
from wormhole_server.commands.health import HEALTH
from wormhole_server.commands.import_usage import IMPORT_USAGE
from wormhole_server.commands.migrate import MIGRATE
from wormhole_server.commands.run import RUN
from wormhole_server.commands.usage import USAGE
from wormhole_server.errors import ConfigurationError
from wormhole_server.options import CommandOptions, Versioned
from wormhole_server.sources import load

COMMANDS: tuple[Command, ...] = (
    RUN,
    CHECK,
    SHOW,
    HEALTH,
    DOCTOR,
    BACKUP,
    RESTORE,
    MIGRATE,
    USAGE,
    IMPORT_USAGE,
)

# What a word that needs another one is about.
_GROUPS = {"config": "Look at the configuration without serving."}


def main() -> int:
    """What the console script calls. Returns the exit status."""
    try:
        try:
            return command(sys.argv[1:], Terminal(os.environ, sys.stdout, sys.stderr))
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads has read enough, as `head` does. Python would try once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Status.FAILED


def command(arguments: Sequence[str], terminal: Terminal) -> Status:
    """Do what `arguments` say; returns the exit status."""
    root = _Words(list(_entries("")))
    try:
        root.parseOptions(list(arguments))  # type: ignore[no-untyped-call]
        options = _chosen(root)
    except usage.UsageError as error:
        terminal.say(f"{error}; see wormhole-server --help")
        return Status.UNUSABLE
    try:
        loaded = load(options.flags, terminal.environment)
    except ConfigurationError as error:
        for problem in error.problems:
            terminal.say(problem)
        return Status.UNUSABLE
    return options.command.run(loaded, options.arguments, terminal)


class _Words(Versioned):
    """`wormhole-server …`, up to a word that says what to do."""

    def __init__(self, entries: list[Any]) -> None:
        self.subCommands = entries  # usage.Options reads it from the instance as well
        super().__init__()  # type: ignore[no-untyped-call]


def _entries(before: str) -> Iterator[list[Any]]:
    """The words that may follow `before`, as `usage.Options` wants them."""
    groups = set()
    for each in COMMANDS:
        if not each.words.startswith(before):
            continue
        word, _, more = each.words.removeprefix(before).partition(" ")
        if not more:
            yield [word, None, lambda each=each: CommandOptions(each), each.help]
        elif word not in groups:
            groups.add(word)
            path = f"{before}{word} "
            yield [word, None, lambda path=path: _Words(list(_entries(path))), _GROUPS[word]]


def _chosen(root: _Words) -> CommandOptions:
    """
    What was given for the command that stands on the command line.

    :raises usage.UsageError: there is none, or one that nobody knows.
    """
    options: Any = root
    while not isinstance(options, CommandOptions):
        words = [each[0] for each in options.subCommands]
        if options.subCommand is None:
            raise usage.UsageError(f"a command is missing: {' or '.join(words)}")
        options = options.subOptions
    return options
