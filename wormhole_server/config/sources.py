"""
The sources of the settings: a flag overrides the environment, which overrides the file, which overrides
the default.

Owns this order, and the error messages for unknown names and invalid values. Reads the file; flags and
environment are arguments.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import attrs

from wormhole_server.config.option import ENVIRONMENT_PREFIX, Option
from wormhole_server.config.quoting import literal, nearest, printable, quoted
from wormhole_server.config.settings import BY_NAME, OPTIONS, Settings, conflicts
from wormhole_server.errors import ConfigurationError

BY_VARIABLE = {option.variable: option for option in OPTIONS}

# Kubernetes sets these in every container in the namespace of a service named `wormhole-server`.
_KUBERNETES = re.compile(
    ENVIRONMENT_PREFIX + r"(SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?)"
)

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


@attrs.frozen
class Flags:
    """
    The settings on a command line, not parsed yet.

    :ivar values: by the name of the option, in the order in which they were given.
    :ivar problems: an error message for each unknown flag.
    """

    values: Mapping[str, Sequence[str | bool]] = attrs.field(factory=dict)
    problems: tuple[str, ...] = ()


@attrs.frozen
class Loaded:
    """
    A valid configuration.

    :ivar origins: the source of each value, by the name of its option: a flag, a variable, a path, or
        "default".
    :ivar places: begins the error message about a value, by the name of its option: the flag, the variable,
        or the key with its file and line.
    :ivar again: reads the file again, with the same flags and environment; raises as `load` does.
    """

    settings: Settings
    origins: Mapping[str, str]
    places: Mapping[str, str]
    again: Callable[[], Loaded] = attrs.field(eq=False, repr=False)


@attrs.frozen
class _Found:
    """A value in one source. `where` begins the error message if the value is invalid."""

    option: Option
    raw: object
    origin: str
    where: str


def load(flags: Flags, environment: Mapping[str, str], wanted: Container[str] = BY_NAME) -> Loaded:
    """
    Combine all sources into one configuration.

    :param wanted: the names of the options whose values are read; the others keep their defaults.
    :raises ConfigurationError: with all problems of all sources.
    """
    problems = list(flags.problems)
    found = [*_from_environment(environment, problems), *_from_flags(flags)]
    paths = [each for each in found if each.option.name == "config"]
    if paths:
        found = [*_from_file(paths[-1], problems), *found]
    values: dict[str, Any] = {}
    origins = {option.name: "default" for option in OPTIONS}
    places = {option.name: option.name for option in OPTIONS}
    failed = set()
    for each in found:
        if each.option.name not in wanted:
            continue
        try:
            values[each.option.attribute] = _parse(each)
            origins[each.option.name] = each.origin
            places[each.option.name] = each.where
        except ValueError as error:
            failed.add(each.option.name)
            problems.append(f"{each.where}: {error}")
    settings = Settings(**values)
    for conflict in conflicts(settings):
        if not conflict.names & failed:
            given = sorted(places[name] for name in conflict.names if origins[name] != "default")
            problems.append(f"{conflict.problem} (the values are those of {' and '.join(given)})")
    if problems:
        raise ConfigurationError(map(printable, problems))
    return Loaded(settings, origins, places, partial(load, flags, environment, wanted))


def unknown(where: str, name: str, known: Mapping[str, object], prefix: str = "") -> str:
    """
    Write the error message for a name that is not in `known`.

    :param where: the name as it was written, and its source.
    :param prefix: the common beginning of all names, which is ignored when guessing.
    """
    guess = nearest(name.removeprefix(prefix), [each.removeprefix(prefix) for each in known])
    hint = f"did you mean {prefix}{guess}?" if guess else "wormhole-server run --help lists them"
    return f"{where}: there is no such option; {hint}"


def _from_flags(flags: Flags) -> Iterator[_Found]:
    for name, values in flags.values.items():
        option = BY_NAME[name]
        yield _Found(option, values if option.many else values[-1], option.flag, option.flag)


def _from_environment(environment: Mapping[str, str], problems: list[str]) -> Iterator[_Found]:
    """Ignore empty variables: Compose files pass on a variable that is not set as an empty one."""
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
    import tomllib  # noqa: PLC0415 - not every server has such a file

    name = str(path.raw)
    try:
        with open(name, "rb") as file:
            text = file.read().decode()
        table = tomllib.loads(text)
    except OSError as error:
        problems.append(
            f"{path.where}: the file {literal(name)} cannot be read ({error.strerror}); "
            "correct the path or the file's permissions"
        )
        return
    except ValueError as error:  # not TOML, or not UTF-8
        problems.append(
            f"{path.where}: {literal(name)} is not valid TOML: {error}; correct the file"
        )
        return
    for key, raw in table.items():
        option = BY_NAME.get(key)
        where = f"{key if _BARE_KEY.fullmatch(key) else literal(key)} in {literal(name)}"
        where += _line_of(key, text)
        if option is None:
            problems.append(unknown(where, key.replace("_", "-"), BY_NAME))
        elif option.name == "config":
            problems.append(
                f"{where}: a configuration file cannot include another; remove the line"
            )
        else:
            yield _Found(option, raw, name, where)


def _line_of(key: str, text: str) -> str:
    """Return ` line 3`; nothing for a key that is written with escapes."""
    written = re.compile(rf"""[\s\[]*["']?{re.escape(key)}["']?\s*[=.\]]""")
    lines = enumerate(text.split("\n"), 1)
    return next((f" line {number}" for number, line in lines if written.match(line)), "")


def _parse(found: _Found) -> object:
    """:raises ValueError: the value cannot be used."""
    option = found.option
    if not option.many:
        is_none = option.kind.none and found.raw == "none"
        return None if is_none else option.kind.parse(found.raw)
    values = _several(found.raw)
    if option.kind.none and "none" in values:
        if len(values) > 1:
            raise ValueError('"none" cannot be combined with other values; remove one or the other')
        return ()
    return tuple(option.kind.parse(value) for value in values)


def _several(raw: object) -> Sequence[object]:
    """
    Split the values of an option that may be given more than once.

    A text that begins with `[` is a list in TOML or JSON: several values in one environment variable.
    """
    if isinstance(raw, str) and raw.lstrip().startswith("["):
        import tomllib  # noqa: PLC0415 - as above

        try:
            return list(tomllib.loads(f"list = {raw}")["list"])
        except ValueError as error:
            raise ValueError(
                f'{quoted(raw)} is not a valid list; write ["ONE", "OTHER"], or a single value'
            ) from error
    return raw if isinstance(raw, (list, tuple)) else [raw]
