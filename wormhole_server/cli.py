"""
The command line: `wormhole-server run`, `wormhole-server config check` and `wormhole-server config show`.

A composition root: it takes the process's reactor, arguments, environment and standard streams. Exits
with 0 when all went well, 1 when something failed, and 2 when the command line or the configuration
cannot be used.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any, ClassVar, cast

import attrs
from twisted.internet.base import ReactorBase
from twisted.logger import globalLogBeginner
from twisted.python import usage

from wormhole_server import launch, log
from wormhole_server.errors import ConfigurationError
from wormhole_server.options import ServerOptions, Versioned
from wormhole_server.show import as_toml
from wormhole_server.sources import Loaded, load

OK = 0
FAILED = 1
UNUSABLE = 2


@attrs.frozen
class Terminal:
    """What a command is run in."""

    environment: Mapping[str, str]
    out: IO[str]
    err: IO[str]

    def say(self, line: str) -> None:
        """Tell the operator what is wrong."""
        print(f"wormhole-server: {line}", file=self.err)


class ConfigCommand(Versioned):
    """`wormhole-server config …`"""

    subCommands: ClassVar = [
        ["check", None, ServerOptions, "Say everything that is wrong with the configuration."],
        ["show", None, ServerOptions, "Print the configuration in effect, as TOML."],
    ]


class Command(Versioned):
    """`wormhole-server …`"""

    subCommands: ClassVar = [
        ["run", None, ServerOptions, "Serve rendezvous and transit relay until stopped."],
        ["config", None, ConfigCommand, "Look at the configuration without serving."],
    ]


def main() -> int:
    """What the console script calls. Returns the exit status."""
    return command(sys.argv[1:], Terminal(os.environ, sys.stdout, sys.stderr))


def command(arguments: Sequence[str], terminal: Terminal) -> int:
    """Do what `arguments` say; returns the exit status."""
    root = Command()  # type: ignore[no-untyped-call]
    try:
        root.parseOptions(list(arguments))  # type: ignore[no-untyped-call]
        path, options = _chosen(root)
    except usage.UsageError as error:
        terminal.say(f"{error}; see wormhole-server --help")
        return UNUSABLE
    try:
        loaded = load(options.flags, terminal.environment)
    except ConfigurationError as error:
        for problem in error.problems:
            terminal.say(problem)
        return UNUSABLE
    return _COMMANDS[path](loaded, terminal)


def _chosen(root: Versioned) -> tuple[str, ServerOptions]:
    """
    The command that stands on the command line, and what is left for it.

    :raises usage.UsageError: there is none, or one that nobody knows.
    """
    path = ""
    options: Any = root
    while not isinstance(options, ServerOptions):
        commands = [each[0] for each in options.subCommands]
        word = options.subCommand
        if word is None:
            raise usage.UsageError(f"a command is missing: {' or '.join(commands)}")
        path = f"{path} {word}".strip()
        options = options.subOptions
    return path, options


def _check(loaded: Loaded, terminal: Terminal) -> int:
    path = loaded.settings.config
    print(f"The configuration{f' in {path}' if path else ''} is right.", file=terminal.out)
    return OK


def _show(loaded: Loaded, terminal: Terminal) -> int:
    print(as_toml(loaded), file=terminal.out)
    return OK


def _run(loaded: Loaded, terminal: Terminal) -> int:
    # Nothing but serving needs a reactor and the whole server.
    from twisted.internet import reactor  # noqa: PLC0415, TID251

    from wormhole_server.service import make_service  # noqa: PLC0415

    observer = log.observer(terminal.err, loaded.settings.log_level)
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)
    return launch.run(
        make_service(loaded.settings, cast(ReactorBase, reactor)), reactor, terminal.say
    )


_COMMANDS: Mapping[str, Callable[[Loaded, Terminal], int]] = {
    "run": _run,
    "config check": _check,
    "config show": _show,
}
