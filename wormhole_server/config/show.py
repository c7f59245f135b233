"""
Settings as text: single values in TOML, and the file that `config show` prints. Secrets are masked.

Owns how a value is written. Reads and prints nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from wormhole_server.config.option import Option
from wormhole_server.config.quoting import literal, printable
from wormhole_server.config.settings import OPTIONS
from wormhole_server.config.sources import Loaded
from wormhole_server.version import VERSION


def as_toml(loaded: Loaded) -> str:
    """
    Write the configuration in effect as a file that `--config` accepts.

    A password is written as `***`, which is refused when the file is read.
    """
    return "\n".join([f"# wormhole-server {VERSION}: the configuration in effect", *_lines(loaded)])


def toml_value(option: Option, value: Any) -> str:
    """Write `value` in TOML so that it is read back as the same, except that secrets are masked."""
    if option.kind.none and value in (None, ()):
        return literal("none")
    if value is None:
        return literal("")
    if option.many:
        return f"[{', '.join(literal(option.kind.show(each)) for each in value)}]"
    return literal(option.kind.show(value))


def show_default(option: Option) -> str:
    """Write the default for the help: without quotes, and `none` for no value."""
    values = option.default if option.many else (option.default,)
    shown = (option.kind.show(value) for value in values if value is not None)
    return " ".join(each if isinstance(each, str) else literal(each) for each in shown) or "none"


def _is_for_file(loaded: Loaded, option: Option) -> bool:
    """Whether the file can change the value: flags and environment are fixed while the process runs."""
    path = loaded.settings.config
    return path is not None and loaded.origins[option.name] in ("default", path)


def _lines(loaded: Loaded) -> Iterator[str]:
    group = None
    for option in OPTIONS:
        if option.group is not group:
            group = option.group
            yield f"\n# {group.value}"
        value = getattr(loaded.settings, option.attribute)
        # A line break in a path would end the comment.
        origin = printable(loaded.origins[option.name])
        if option.reloadable and _is_for_file(loaded, option):
            origin += ", reloadable"
        # A configuration file cannot include another.
        before = "# " if option.name == "config" else ""
        yield f"{before}{option.name} = {toml_value(option, value)}  # {origin}"
