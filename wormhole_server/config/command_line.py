"""
The command line: the one parser for the settings as flags and for the parameters of a command.

Serves `wormhole-server COMMAND`, `twistd wormhole-server` and `twist wormhole-server` alike. Owns the help.
Parses no value: `config/sources.py` does, and reports all problems at once, unknown flags included.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping, Sequence

import attrs

from wormhole_server.config import kinds
from wormhole_server.config.option import Group, Option
from wormhole_server.config.settings import OPTIONS
from wormhole_server.config.show import show_default
from wormhole_server.config.sources import Flags, unknown
from wormhole_server.version import VERSION

VERSION_LINE = f"wormhole-server {VERSION}"

# Characters. Readable on a wide terminal, and wraps no placeholder.
_HELP_WIDTH = 100

PREAMBLE = """\
Every option has a default. A flag overrides the environment, which overrides the file, which overrides
the default. For --nameplate-expiry the environment variable is WORMHOLE_SERVER_NAMEPLATE_EXPIRY, and the
key in the TOML file is nameplate-expiry; the same applies to every option.

A DURATION is in seconds, or has a unit: 90s, 2m, 1h, 90d. A SIZE is in bytes, or has a unit: 256KiB,
4MiB. An ENDPOINT is a Twisted endpoint string. An option marked with * may be given more than once; in the
environment or the file it takes a value or a list of values, written ["ONE", "OTHER"].
"""

_SETTINGS_ELSEWHERE = """\
It also takes the server's settings, from flags, the environment and the file of --config, so that it finds
the same database and ports: wormhole-server run --help and docs/configure.md list them."""

# The flags of magic-wormhole-mailbox-server and magic-wormhole-transit-relay, and what replaces them here.
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

# A flag of a setting: the option's name, and the value that the flag stands for (None: a value follows).
_SETTINGS: dict[str, tuple[str, bool | None]] = {}
for _option in OPTIONS:
    if _option.kind is kinds.SWITCH:
        _SETTINGS[_option.flag] = (_option.name, True)
        _SETTINGS[f"--no-{_option.name}"] = (_option.name, False)
    else:
        _SETTINGS[_option.flag] = (_option.name, None)


@attrs.frozen
class Parameter:
    """
    Something that a command takes in addition to the settings: a flag, or a positional argument.

    :ivar name: `--days` for a flag; a positional argument is named after its meaning: `FILE`.
    :ivar placeholder: stands for a flag's value in the help; None for a switch or a positional argument.
    :ivar required: whether the command cannot run without it.
    """

    name: str
    help: str
    placeholder: str | None = None
    required: bool = False

    @property
    def is_flag(self) -> bool:
        """Whether it is a flag, not a positional argument."""
        return self.name.startswith("--")


@attrs.frozen
class Arguments:
    """The values of a command's own parameters, as they were typed, by `Parameter.name`."""

    values: Mapping[str, str] = attrs.field(factory=dict)
    switches: frozenset[str] = frozenset()

    def get(self, name: str) -> str | None:
        """Return the value of a parameter, or None if it was not given."""
        return self.values.get(name)

    def __getitem__(self, name: str) -> str:
        """Return the value of a required parameter."""
        return self.values[name]

    def __contains__(self, name: str) -> bool:
        """Tell whether a switch was given."""
        return name in self.switches


class HelpRequest(enum.Enum):
    """What a command line can ask for instead of running the command."""

    HELP = ("-h", "--help")  # the options of the command
    VERSION = ("-V", "--version")  # the version of the program


REQUESTS = {flag: request for request in HelpRequest for flag in request.value}


@attrs.frozen
class CommandLine:
    """
    A parsed command line.

    :ivar flags: the settings, and all problems of the command line.
    :ivar arguments: the command's own parameters.
    :ivar request: None to run the command.
    """

    flags: Flags
    arguments: Arguments
    request: HelpRequest | None


def parse_command_line(words: Sequence[str], parameters: Sequence[Parameter] = ()) -> CommandLine:
    """
    Parse what follows the name of a command. Raises nothing: problems are part of the flags.

    A flag has to be written in full: an abbreviation could mean another flag after an update.
    """
    parser = _Parser(parameters)
    parser.parse(words)
    missing = [each.name for each in parameters if each.required and each.name not in parser.values]
    problems = [*parser.problems, *(f"{name}: is missing; see --help" for name in missing)]
    return CommandLine(
        Flags(parser.settings, tuple(problems)),
        Arguments(parser.values, frozenset(parser.switches)),
        parser.request,
    )


def known_flags(parameters: Sequence[Parameter] = ()) -> dict[str, bool]:
    """List the flags of a command, each with whether it takes a value."""
    own = {each.name: each.placeholder is not None for each in parameters if each.is_flag}
    settings = {flag: value is None for flag, (_, value) in _SETTINGS.items()}
    return dict.fromkeys(REQUESTS, False) | settings | own


def settings_help() -> str:
    """Describe the settings by group, with their defaults."""
    return "\n".join([PREAMBLE, *_settings_help()])


def parameters_help(parameters: Sequence[Parameter]) -> str:
    """Describe a command's own parameters, and say where the settings are described."""
    own = [line for each in parameters for line in _parameter_help(each)]
    return "\n".join([*own, *([""] if own else []), _SETTINGS_ELSEWHERE])


class _Parser:
    """The state of parsing one command line."""

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        self.settings: dict[str, list[str | bool]] = {}
        self.values: dict[str, str] = {}
        self.switches: set[str] = set()
        self.problems: list[str] = []
        self.request: HelpRequest | None = None
        self._positional = [each.name for each in parameters if not each.is_flag]
        self._known = known_flags(parameters)

    def parse(self, words: Sequence[str]) -> None:
        """Take every word: as a flag, as a flag's value, as a positional argument, or as a problem."""
        remaining = list(reversed(words))
        while remaining:
            word = remaining.pop()
            flag, has_value, value = word.partition("=")
            takes_value = self._known.get(flag)
            if word == "-" or not word.startswith("-"):
                self._take_positional(word)
            elif takes_value is None:
                self.problems.append(self._unknown(flag))
                if not has_value and remaining and not remaining[-1].startswith("-"):
                    # Most likely the value of the unknown flag.
                    remaining.pop()
            elif has_value and not takes_value:
                self.problems.append(f"{flag}: takes no value; write {flag} alone")
            elif not takes_value:
                self._take_switch(flag)
            elif has_value or remaining:
                self._take_value(flag, value if has_value else remaining.pop())
            else:
                self.problems.append(f"{flag}: its value is missing; write {flag}=VALUE")

    def _take_positional(self, word: str) -> None:
        if self._positional:
            self.values[self._positional.pop(0)] = word
        else:
            self.problems.append(f"{word}: unexpected argument; see --help")

    def _take_switch(self, flag: str) -> None:
        name, value = _SETTINGS.get(flag, (flag, None))
        if value is not None:
            self.settings.setdefault(name, []).append(value)
        elif flag in REQUESTS:
            self.request = self.request or REQUESTS[flag]
        else:
            self.switches.add(flag)

    def _take_value(self, flag: str, value: str) -> None:
        if flag in _SETTINGS:
            self.settings.setdefault(_SETTINGS[flag][0], []).append(value)
        else:
            self.values[flag] = value

    def _unknown(self, flag: str) -> str:
        if flag in _ELSEWHERE:
            return f"{flag}: there is no such option; here it is {_ELSEWHERE[flag]}"
        return unknown(flag, flag, self._known, "--")


def _settings_help() -> Iterator[str]:
    for group in Group:
        yield f"{group.value}:"
        for option in OPTIONS:
            if option.group is group:
                yield from _option_help(option)
        yield ""
    yield "Other:"
    yield from request_lines()


def request_lines() -> Iterator[str]:
    """List what a command line can ask for instead of running a command."""
    for request in HelpRequest:
        yield f"  {', '.join(request.value)}"


def _option_help(option: Option) -> Iterator[str]:
    if option.kind is kinds.SWITCH:
        yield f"  {option.flag}, --no-{option.name}"
    else:
        yield f"  {option.flag}={option.kind.placeholder}{' *' if option.many else ''}"
    yield from _indented(f"{option.help} [default: {show_default(option)}]")


def _parameter_help(parameter: Parameter) -> Iterator[str]:
    value = f"={parameter.placeholder}" if parameter.placeholder else ""
    yield f"  {parameter.name}{value}"
    yield from _indented(parameter.help)


def _indented(text: str) -> list[str]:
    import textwrap  # noqa: PLC0415 - for the help only

    indent = " " * 6
    return textwrap.wrap(text, _HELP_WIDTH, initial_indent=indent, subsequent_indent=indent)
