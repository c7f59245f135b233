"""
The settings as flags: the same for `twistd wormhole-server`, `twist wormhole-server` and
`wormhole-server run`.

Owns the command line and its help. Judges no value: `wormhole_server.sources` does, and tells of all
faults at once, unknown flags included.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from twisted.python import usage

from wormhole_server import kinds
from wormhole_server.commands.command import Arguments, Command, Parameter
from wormhole_server.option import Group, Option
from wormhole_server.settings import OPTIONS
from wormhole_server.show import show_default
from wormhole_server.sources import Flags, unknown
from wormhole_server.version import VERSION

_PREAMBLE = """\
Serves everything on its defaults where no option is given. A flag beats the environment, which beats
the file, which beats the default. In the environment --nameplate-expiry is
WORMHOLE_SERVER_NAMEPLATE_EXPIRY, in the TOML file it is nameplate-expiry; so for all.

A DURATION is in seconds, or has a unit: 90s, 2m, 1h, 90d. A SIZE is in bytes, or has a unit: 256KiB,
4MiB. An ENDPOINT is a Twisted endpoint string. What is marked with * may be given more than once; a
variable or the file takes a list in place of one value, written ["ONE", "OTHER"].
"""

# What operators of the other servers are used to write.
_ELSEWHERE = {
    "-p": "--rendezvous or --transit",
    "--port": "--rendezvous or --transit",
    "--channel-db": "--database",
    "--usage-db": "--database",
    "-w": "--rendezvous, whose /transit is the relay over WebSocket",
    "--websocket": "--rendezvous, whose /transit is the relay over WebSocket",
    "-u": "not needed",
    "--websocket-url": "not needed",
}


class Versioned(usage.Options):
    """Options whose `--version` is not Twisted's."""

    def opt_version(self) -> None:
        """Print the version and exit."""
        print(f"wormhole-server {VERSION}")
        sys.exit(0)


class ServerOptions(Versioned):
    """
    What was given on the command line, as it was given.

    :ivar flags: for `wormhole_server.sources.load`.
    """

    def __init__(self) -> None:
        self._values: dict[str, list[str | bool]] = {}
        self._problems: list[str] = []
        self._known_flags = dict(_FLAGS)
        super().__init__()  # type: ignore[no-untyped-call]

    @property
    def flags(self) -> Flags:
        """What was given, and a line for each flag that is none."""
        return Flags(self._values, tuple(self._problems))

    def parseOptions(  # noqa: N802 - usage.Options prescribes it
        self, options: Sequence[str] | None = None
    ) -> None:
        """Take everything that can be taken; what cannot is kept for the report of all faults."""
        known = self._known(sys.argv[1:] if options is None else options)
        super().parseOptions(list(known))  # type: ignore[no-untyped-call]

    def getSynopsis(self) -> str:
        """The first line of the help."""
        return f"Usage: {super().getSynopsis().removeprefix('Usage: ')}"

    def getUsage(self, width: int | None = None) -> str:  # noqa: N802 - usage.Options prescribes it
        """The help, grouped, with defaults."""
        return "\n".join([_PREAMBLE, *_groups(width or 100)])

    def take(self, name: str, value: str | bool) -> None:
        """The flag `name` was given."""
        self._values.setdefault(name, []).append(value)

    def take_word(self, word: str) -> None:
        """What is no flag was given."""
        self._problems.append(f"{word}: is not a flag; see --help")

    def _known(self, arguments: Sequence[str]) -> Iterator[str]:
        """
        The arguments that are flags of ours. Whatever else stands there would make getopt stop; and it
        would take the beginning of a name for the whole, which an update may turn into another.
        """
        remaining = list(reversed(arguments))
        while remaining:
            argument = remaining.pop()
            flag, has_value, _ = argument.partition("=")
            takes_value = self._known_flags.get(flag)
            if argument == "-" or not argument.startswith("-"):
                self.take_word(argument)
            elif takes_value is None:
                self._problems.append(self._unknown(flag))
                if not has_value and remaining and not remaining[-1].startswith("-"):
                    # Most likely the value that belongs to it.
                    remaining.pop()
            elif has_value and not takes_value:
                self._problems.append(f"{flag}: takes no value; write {flag} alone")
            elif has_value or not takes_value:
                yield argument
            elif remaining:
                yield f"{argument}={remaining.pop()}"
            else:
                self._problems.append(f"{flag}: its value is missing; write {flag}=VALUE")

    def _unknown(self, flag: str) -> str:
        if flag in _ELSEWHERE:
            return f"{flag}: there is no such option; here it is {_ELSEWHERE[flag]}"
        return unknown(flag, flag, self._known_flags, "--")


class CommandOptions(ServerOptions):
    """What was given for a command of `wormhole-server`: settings, and parameters of its own."""

    def __init__(self, command: Command) -> None:
        self.command = command
        self._given: dict[str, str] = {}
        self._switches: set[str] = set()
        self._flags = {each.name: each for each in command.parameters if each.is_flag}
        self._words = [each for each in command.parameters if not each.is_flag]
        super().__init__()
        self._known_flags |= {
            name: each.placeholder is not None for name, each in self._flags.items()
        }

    @property
    def arguments(self) -> Arguments:
        """For the command itself."""
        return Arguments(self._given, frozenset(self._switches))

    def parseOptions(self, options: Sequence[str] | None = None) -> None:  # noqa: N802
        """Take everything that can be taken, and miss what is missing."""
        super().parseOptions(options)
        self._problems += [
            f"{each.name}: is missing; see --help"
            for each in self.command.parameters
            if each.required and each.name not in self._given
        ]

    def getUsage(self, width: int | None = None) -> str:  # noqa: N802
        """The command's own parameters come before the settings."""
        own = [line for each in self.command.parameters for line in _own_entry(each, width or 100)]
        lines = [self.command.help, "", *own, *([""] if own else [])]
        return "\n".join([*lines, super().getUsage(width)])

    def take_word(self, word: str) -> None:
        """The next word at its place."""
        if not self._words:
            super().take_word(word)
        else:
            self._given[self._words.pop(0).name] = word

    def _known(self, arguments: Sequence[str]) -> Iterator[str]:
        for argument in super()._known(arguments):
            name, has_value, value = argument.partition("=")
            if name not in self._flags:
                yield argument
            elif has_value:
                self._given[name] = value
            else:
                self._switches.add(name)


def _has_value(option: Option) -> bool:
    return option.kind is not kinds.SWITCH


def _with_value(option: Option) -> Callable[[ServerOptions, str], None]:
    def opt(self: ServerOptions, value: str) -> None:
        self.take(option.name, value)

    return opt


def _switched(option: Option, value: bool) -> Callable[[ServerOptions], None]:
    def opt(self: ServerOptions) -> None:
        self.take(option.name, value)

    return opt


def _handlers() -> Iterator[tuple[str, bool, Callable[..., Any]]]:
    """The methods from which `usage.Options` makes its flags: `opt_name` is `--name`."""
    for option in OPTIONS:
        if _has_value(option):
            yield option.attribute, True, _with_value(option)
        else:
            yield option.attribute, False, _switched(option, True)
            yield f"no_{option.attribute}", False, _switched(option, False)


# The flags there are, and whether a value follows.
_FLAGS = {"--help": False, "--version": False}
for _attribute, _takes_value, _handler in _handlers():
    _FLAGS["--" + _attribute.replace("_", "-")] = _takes_value
    setattr(ServerOptions, f"opt_{_attribute}", _handler)


def _groups(width: int) -> Iterator[str]:
    for group in Group:
        yield f"{group.value}:"
        for option in OPTIONS:
            if option.group is group:
                yield from _entry(option, width)
        yield ""
    yield "Other:"
    yield "  --version"
    yield "  --help"
    yield ""


def _own_entry(parameter: Parameter, width: int) -> Iterator[str]:
    value = f"={parameter.placeholder}" if parameter.placeholder else ""
    yield f"  {parameter.name}{value}"
    yield from textwrap.wrap(
        parameter.help, width, initial_indent=" " * 6, subsequent_indent=" " * 6
    )


def _entry(option: Option, width: int) -> Iterator[str]:
    if _has_value(option):
        yield f"  {option.flag}={option.kind.placeholder}{' *' if option.many else ''}"
    else:
        yield f"  {option.flag}, --no-{option.name}"
    text = f"{option.help} [default: {show_default(option)}]"
    yield from textwrap.wrap(text, width, initial_indent=" " * 6, subsequent_indent=" " * 6)
