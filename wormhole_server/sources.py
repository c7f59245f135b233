"""
From flags, environment and file to `Settings`: a flag beats the environment, which beats the file,
which beats the default.

Owns the order of precedence, the names of sources and what is said of a value that cannot be used.
Reads the file, and nothing else: flags and environment are handed in.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import attrs

from wormhole_server.errors import ConfigurationError
from wormhole_server.option import ENVIRONMENT_PREFIX, Option
from wormhole_server.settings import BY_NAME, OPTIONS, Settings, conflicts
from wormhole_server.words import literal, nearest, printable, quoted

BY_VARIABLE = {option.variable: option for option in OPTIONS}

# What Kubernetes sets, unasked, in every container beside a service named `wormhole-server`.
_KUBERNETES = re.compile(
    ENVIRONMENT_PREFIX + r"(SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?)"
)

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


@attrs.frozen
class Flags:
    """
    What stands on a command line, not looked at yet.

    :ivar values: by the name of the option, in the order in which they were given.
    :ivar problems: a line for each flag that nobody knows.
    """

    values: Mapping[str, Sequence[str | bool]] = attrs.field(factory=dict)
    problems: tuple[str, ...] = ()


@attrs.frozen
class Loaded:
    """
    A configuration that can be used.

    :ivar origins: where each value came from, by the name of its option: a flag, a variable, a
        path, or "default".
    :ivar again: reads all sources anew; raises as `load` does. Flags and environment are what they were.
    """

    settings: Settings
    origins: Mapping[str, str]
    again: Callable[[], Loaded] = attrs.field(eq=False, repr=False)


@attrs.frozen
class _Found:
    """What one source says of one option. `where` begins the line that a wrong value is told in."""

    option: Option
    raw: object
    origin: str
    where: str


def load(flags: Flags, environment: Mapping[str, str]) -> Loaded:
    """
    The configuration as all sources together have it.

    :raises ConfigurationError: with everything that is wrong in any of them.
    """
    problems = list(flags.problems)
    found = [*_from_environment(environment, problems), *_from_flags(flags)]
    paths = [each for each in found if each.option.name == "config"]
    if paths:
        found = [*_from_file(paths[-1], problems), *found]
    values: dict[str, Any] = {}
    origins = {option.name: "default" for option in OPTIONS}
    failed = set()
    for each in found:
        try:
            values[each.option.attribute] = _parse(each)
            origins[each.option.name] = each.origin
        except ValueError as error:
            failed.add(each.option.name)
            problems.append(f"{each.where}: {error}")
    settings = Settings(**values)
    problems += [each.problem for each in conflicts(settings) if not each.names & failed]
    if problems:
        raise ConfigurationError(map(printable, problems))
    return Loaded(settings, origins, partial(load, flags, environment))


def unknown(where: str, name: str, known: Mapping[str, object], prefix: str = "") -> str:
    """
    The line about a name that is not among `known`.

    :param where: how it was written, and where.
    :param prefix: what all names begin with, and so says nothing about which is meant.
    """
    guess = nearest(name.removeprefix(prefix), [each.removeprefix(prefix) for each in known])
    hint = f"did you mean {prefix}{guess}?" if guess else "wormhole-server run --help lists them"
    return f"{where}: there is no such option; {hint}"


def _from_flags(flags: Flags) -> Iterator[_Found]:
    for name, values in flags.values.items():
        option = BY_NAME[name]
        yield _Found(option, values if option.many else values[-1], option.flag, option.flag)


def _from_environment(environment: Mapping[str, str], problems: list[str]) -> Iterator[_Found]:
    """A variable that is empty counts as none: compose files pass on what is not set that way."""
    for variable, text in sorted(environment.items()):
        if not variable.startswith(ENVIRONMENT_PREFIX) or not text:
            continue
        option = BY_VARIABLE.get(variable)
        where = f"{variable} (environment)"
        if option is not None:
            yield _Found(option, text, variable, where)
        elif not _KUBERNETES.fullmatch(variable):
            problems.append(unknown(where, variable, BY_VARIABLE, ENVIRONMENT_PREFIX))


def _from_file(path: _Found, problems: list[str]) -> Iterator[_Found]:
    name = str(path.raw)
    try:
        with open(name, "rb") as file:
            table = tomllib.load(file)
    except OSError as error:
        problems.append(
            f"{path.where}: the file {literal(name)} cannot be read ({error.strerror}); "
            "write the path of one that can"
        )
        return
    except ValueError as error:  # tomllib's own, and what bytes and numbers bring along
        problems.append(f"{path.where}: {literal(name)} is not TOML: {error}; mend it there")
        return
    for key, raw in table.items():
        option = BY_NAME.get(key)
        where = f"{key if _BARE_KEY.fullmatch(key) else literal(key)} in {literal(name)}"
        if option is None:
            problems.append(unknown(where, key.replace("_", "-"), BY_NAME))
        elif option.name == "config":
            problems.append(f"{where}: a file cannot name another one; remove the line")
        else:
            yield _Found(option, raw, name, where)


def _parse(found: _Found) -> object:
    """:raises ValueError: the value cannot be used."""
    option = found.option
    if not option.many:
        is_none = option.kind.none and found.raw == "none"
        return None if is_none else option.kind.parse(found.raw)
    values = _several(found.raw)
    if option.kind.none and "none" in values:
        if len(values) > 1:
            raise ValueError('there is "none" beside other values; write one or the other')
        return ()
    return tuple(option.kind.parse(value) for value in values)


def _several(raw: object) -> Sequence[object]:
    """
    A list is a list, and a text that begins with `[` is read as one, as TOML and JSON write it:
    that is how one variable holds several values. Anything else is one value.
    """
    if isinstance(raw, str) and raw.lstrip().startswith("["):
        try:
            return list(tomllib.loads(f"list = {raw}")["list"])
        except ValueError as error:
            raise ValueError(
                f'{quoted(raw)} is not a list; write ["ONE", "OTHER"], or one value alone'
            ) from error
    return raw if isinstance(raw, (list, tuple)) else [raw]
