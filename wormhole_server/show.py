"""
Settings as text: the TOML that `config show` prints, and rows for the documentation. Secrets masked.

Owns how a value is written. Reads and prints nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs

from wormhole_server.option import Option
from wormhole_server.settings import OPTIONS
from wormhole_server.sources import Loaded
from wormhole_server.version import VERSION
from wormhole_server.words import literal, printable


def as_toml(loaded: Loaded) -> str:
    """
    The configuration that is in effect, as a file that could be given to `--config`.

    A password stands there as `***`, which is refused when it is read back.
    """
    return "\n".join([f"# wormhole-server {VERSION}: the configuration in effect", *_lines(loaded)])


def toml_value(option: Option, value: Any) -> str:
    """How TOML writes `value`, secrets masked, so that it is read back as the same."""
    if option.kind.none and value in (None, ()):
        return literal("none")
    if value is None:
        return literal("")
    if option.many:
        return f"[{', '.join(literal(option.kind.show(each)) for each in value)}]"
    return literal(option.kind.show(value))


def show_default(option: Option) -> str:
    """The default in one word, for people."""
    values = option.default if option.many else (option.default,)
    shown = (option.kind.show(value) for value in values if value is not None)
    return " ".join(each if isinstance(each, str) else literal(each) for each in shown) or "none"


@attrs.frozen
class Row:
    """
    What the documentation says of one option.

    :ivar effect: when a value counts that is changed while the server runs.
    """

    group: str
    name: str
    flag: str
    variable: str
    placeholder: str
    default: str
    many: bool
    effect: str
    help: str


def rows() -> list[Row]:
    """Every option, in the order of the help: what `docs/configure.md` is made from."""
    return [
        Row(
            group=option.group.value,
            name=option.name,
            flag=option.flag,
            variable=option.variable,
            placeholder=option.kind.placeholder,
            default=show_default(option),
            many=option.many,
            effect=option.effect.value,
            help=option.help,
        )
        for option in OPTIONS
    ]


def _is_for_file(loaded: Loaded, option: Option) -> bool:
    """Whether the file decides: flags and environment stay as they are while the process lives."""
    path = loaded.settings.config
    return path is not None and loaded.origins[option.name] in ("default", path)


def _lines(loaded: Loaded) -> Iterator[str]:
    group = None
    for option in OPTIONS:
        if option.group is not group:
            group = option.group
            yield f"\n# {group.value}"
        value = getattr(loaded.settings, option.attribute)
        # A path may hold a line break, which would end the comment.
        origin = printable(loaded.origins[option.name])
        if option.reloadable and _is_for_file(loaded, option):
            origin += ", reloadable"
        # A file cannot name another one.
        before = "# " if option.name == "config" else ""
        yield f"{before}{option.name} = {toml_value(option, value)}  # {origin}"
