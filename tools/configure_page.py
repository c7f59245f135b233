"""
`docs/configure.md`, made from the settings and the commands, so that it says what they say.

    python -m tools.configure_page

Owns the page's form. `make docs` writes it; a test compares what is committed with what it would write.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from wormhole_server.cli import COMMANDS
from wormhole_server.commands.command import Command
from wormhole_server.option import Effect, Group, Option
from wormhole_server.settings import OPTIONS
from wormhole_server.show import toml_value

PATH = Path(__file__).parents[1] / "docs" / "configure.md"

_HEAD = """\
<!-- Made by `make docs` from wormhole_server/settings.py and the commands: change those. -->

# Configuring the server

Everything has a default that can be served with. Each option is a flag, an environment variable and a key
in a TOML file; a flag beats the environment, which beats the file, which beats the default.

```sh
wormhole-server run --nameplate-expiry=2h
WORMHOLE_SERVER_NAMEPLATE_EXPIRY=2h wormhole-server run
wormhole-server run --config=/etc/wormhole-server.toml      # nameplate-expiry = "2h"
```

- A **DURATION** is in seconds or has a unit: `90s`, `2m`, `1h`, `90d`. A **SIZE** is in bytes or has a unit:
  `256KiB`, `4MiB`, `1GiB`.
- An **ENDPOINT** is a
  [Twisted endpoint string](https://docs.twisted.org/en/stable/core/howto/endpoints.html#servers), in which a
  colon that belongs to a value is written `\\:`.
- Where several values may be given, the flag is repeated; a variable or the file takes a list:
  `["tcp:4000", "tcp:4080"]`. An environment variable that is empty counts as not set.
- `none` stands for no value, where it is among what an option takes.

`wormhole-server config check` says everything that is wrong, all at once, and starts nothing.
`wormhole-server config show` prints what is in effect and where each value comes from, secrets masked.
An unknown name is an error, with the nearest known one.

SIGHUP, or a change of the file, has the configuration read again; "when changed" says when a new value
counts then. One bad value keeps all that was in effect, and the log says so: [reload.md](reload.md).
"""


def page() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *_contents(), *_options(), *_commands()])


def _contents() -> Iterator[str]:
    for group in Group:
        names = (option.flag for option in OPTIONS if option.group is group)
        links = " · ".join(f"[`{flag}`](#{flag})" for flag in names)
        yield f"- **{group.value}:** {links}"
    yield "- **[Commands](#commands)**"
    yield ""


def _options() -> Iterator[str]:
    for group in Group:
        yield f"## {group.value}"
        yield ""
        for option in OPTIONS:
            if option.group is group:
                yield from _option(option)


def _option(option: Option) -> Iterator[str]:
    yield f"### `{option.flag}`"
    yield ""
    yield _prose(option.help)
    yield ""
    takes = option.kind.placeholder or "nothing; `--no-" + option.name + "` turns it off"
    several = ", and may be given more than once" if option.many else ""
    yield "| | |"
    yield "|---|---|"
    yield f"| takes | {takes if not option.kind.placeholder else _code(takes)}{several} |"
    # A file cannot name another one.
    if option.name != "config":
        yield f"| default | {_code(f'{option.name} = {toml_value(option, option.default)}')} |"
    yield f"| environment | `{option.variable}` |"
    if option.effect is Effect.NEXT_START:
        yield "| when changed | at the next start |"
    else:
        yield f"| when changed | {option.effect.value}, without a restart |"
    yield ""


def _commands() -> Iterator[str]:
    yield "## Commands"
    yield ""
    yield (
        "Every command takes the options above as well, so that it finds the same database and the same "
        "ports as `run` does. Exit status: 0 when all went well, 1 when something went wrong, 2 when the "
        "command line or the configuration cannot be used."
    )
    yield ""
    for command in COMMANDS:
        yield from _command(command)


def _command(command: Command) -> Iterator[str]:
    words = "".join(f" {each.name}" for each in command.parameters if not each.is_flag)
    yield f"### `wormhole-server {command.words}{words}`"
    yield ""
    yield _prose(command.help)
    yield ""
    if command.parameters:
        yield "| | |"
        yield "|---|---|"
        for each in command.parameters:
            value = f"={each.placeholder}" if each.placeholder else ""
            yield f"| {_code(each.name + value)} | {_cell(_prose(each.help))} |"
        yield ""


def _prose(text: str) -> str:
    """What Markdown would take for its own, outside of code."""
    parts = text.split("`")
    return "`".join(
        part if number % 2 else re.sub(r"([*_<\\[])", r"\\\1", part)
        for number, part in enumerate(parts)
    )


def _code(text: str) -> str:
    return f"`{_cell(text)}`"


def _cell(text: str) -> str:
    """A table's columns are told apart by their lines, in code as well."""
    return text.replace("|", r"\|").replace("\n", " ")


if __name__ == "__main__":
    PATH.write_text(page(), "utf-8")
