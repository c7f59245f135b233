"""
The command line of `wormhole-server`: the list of commands, and the choice of one.

A composition root: takes the process's arguments, environment and standard streams.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence

from wormhole_server.commands.backup import BACKUP, RESTORE
from wormhole_server.commands.command import ExitStatus, ServerCommand, Terminal
from wormhole_server.commands.configuration import CHECK, SHOW
from wormhole_server.commands.doctor import DOCTOR
from wormhole_server.commands.health import HEALTH
from wormhole_server.commands.import_usage import IMPORT_USAGE
from wormhole_server.commands.migrate import MIGRATE
from wormhole_server.commands.run import RUN
from wormhole_server.commands.usage import USAGE
from wormhole_server.config.command_line import (
    REQUESTS,
    VERSION_LINE,
    HelpRequest,
    parameters_help,
    parse_command_line,
    request_lines,
    settings_help,
)
from wormhole_server.config.quoting import nearest
from wormhole_server.config.sources import load
from wormhole_server.errors import ConfigurationError
from wormhole_server.lifecycle.garbage_collection import collection_paused
from wormhole_server.lifecycle.standard_streams import discard_output, prepare_standard_streams

HELP = "help"  # `help COMMAND` is `COMMAND --help`
INTERRUPTED = 130  # as shells report SIGINT

COMMANDS: tuple[ServerCommand, ...] = (
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


def main() -> int:
    """
    Run the command that the process was started with: the console script.

    :return: the exit status.
    """
    prepare_standard_streams()
    terminal = Terminal(os.environ, sys.stdout, sys.stderr)
    try:
        status = command(sys.argv[1:], terminal)
        return _flush(terminal) or status
    except BrokenPipeError:
        # The reader has closed the pipe, as `head` does.
        discard_output()
        return ExitStatus.FAILED
    except KeyboardInterrupt:
        return INTERRUPTED


def _flush(terminal: Terminal) -> ExitStatus:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        terminal.say(f"the output cannot be written: {error.strerror}")
        discard_output()
        return ExitStatus.FAILED
    return ExitStatus.OK


def command(arguments: Sequence[str], terminal: Terminal) -> ExitStatus:
    """Run the command that `arguments` name."""
    if arguments and arguments[0] == HELP:
        arguments = [*arguments[1:], "--help"]
    for each in COMMANDS:
        words = each.words.split()
        if list(arguments[: len(words)]) == words:
            return _run(each, arguments[len(words) :], terminal)
    return _answer_without_command(arguments, terminal)


def _run(chosen: ServerCommand, arguments: Sequence[str], terminal: Terminal) -> ExitStatus:
    line = parse_command_line(arguments, chosen.parameters)
    if line.request is HelpRequest.VERSION:
        print(VERSION_LINE, file=terminal.out)
        return ExitStatus.OK
    if line.request is HelpRequest.HELP:
        words = [each.name for each in chosen.parameters if not each.is_flag]
        print("Usage: wormhole-server", chosen.words, "[options]", *words, file=terminal.out)
        text = settings_help() if chosen is RUN else parameters_help(chosen.parameters)
        print(chosen.help, text, sep="\n\n", file=terminal.out)
        return ExitStatus.OK
    try:
        with collection_paused():
            loaded = load(line.flags, terminal.environment, chosen.options)
    except ConfigurationError as error:
        for problem in error.problems:
            terminal.say(problem)
        return ExitStatus.UNUSABLE
    return chosen.run(loaded, line.arguments, terminal)


def _answer_without_command(arguments: Sequence[str], terminal: Terminal) -> ExitStatus:
    """Print the list of commands or the version if that is asked for; otherwise report what is wrong."""
    # `config` alone is not a command, but the first word of some.
    group = f"{arguments[0]} " if arguments and _following(f"{arguments[0]} ") else ""
    first = next(iter(arguments[1:] if group else arguments), None)
    words = _following(group)
    request = None if first is None else REQUESTS.get(first)
    if request is HelpRequest.VERSION:
        print(VERSION_LINE, file=terminal.out)
        return ExitStatus.OK
    if request is HelpRequest.HELP:
        print(*_overview(group), sep="\n", file=terminal.out)
        return ExitStatus.OK
    if first is None:
        problem = f"a command is missing: {' or '.join(words)}"
    elif first.startswith("-"):
        problem = f"{first}: options follow the command, as in wormhole-server {COMMANDS[0].words}"
    else:
        guess = nearest(first, words)
        hint = f"; did you mean {group}{guess}?" if guess else ""
        problem = f"{group}{first}: there is no such command{hint}"
    terminal.say(f"{problem}; see wormhole-server --help")
    return ExitStatus.UNUSABLE


def _following(group: str) -> list[str]:
    """List the words that may follow `group`, which is empty or ends with a space."""
    commands = (each.words for each in COMMANDS if each.words.startswith(group))
    return list(dict.fromkeys(each.removeprefix(group).split()[0] for each in commands))


def _overview(group: str) -> Iterator[str]:
    yield f"Usage: wormhole-server {group}COMMAND [options]"
    yield ""
    shown = [each for each in COMMANDS if each.words.startswith(group)]
    width = max(len(each.words) for each in shown)
    for each in shown:
        yield f"  {each.words:{width}}  {each.help}"
    yield ""
    yield from request_lines()
    yield ""
    yield "wormhole-server help COMMAND lists the options of a command."
