"""
The page `docs/configure.md`: generated from the settings and the commands.

    python -m tools.configure_page

Owns the page's form. `make docs` writes it; a test compares what is committed with what it would write.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from wormhole_server.cli import COMMANDS
from wormhole_server.commands.command import ServerCommand
from wormhole_server.config.option import Effect, Group, Option
from wormhole_server.config.settings import OPTIONS
from wormhole_server.config.show import toml_value

PATH = Path(__file__).parents[1] / "docs" / "configure.md"

_HEAD = """\
<!-- Made by `make docs` from wormhole_server/config/ and the commands: change those. -->

# Configuring the server

Every option has a usable default. Each is a flag, an environment variable and a key in a TOML file;
a flag overrides the environment, which overrides the file.

```sh
wormhole-server run --nameplate-expiry=2h
WORMHOLE_SERVER_NAMEPLATE_EXPIRY=2h wormhole-server run
wormhole-server run --config=/etc/wormhole-server.toml      # nameplate-expiry = "2h"
```

- **DURATION**: seconds, or `90s`, `2m`, `1h`, `90d`. **SIZE**: bytes, or `256KiB`, `4MiB`, `1GiB`, `1TiB`.
- **ENDPOINT**: a
  [Twisted endpoint string](https://docs.twisted.org/en/stable/core/howto/endpoints.html#servers);
  write `\\:` for a colon inside a value.
- Repeat a flag to give several values; a variable or the file takes a list:
  `["tcp:4000", "tcp:4080"]`. An empty environment variable counts as unset.
- `none` means no value.

`wormhole-server config check` lists every mistake without starting anything.
`wormhole-server config show` prints the configuration in effect and where each value comes from,
without secrets. An unknown name is an error that suggests the nearest known one.

## Changing options while the server runs

The server reads its configuration again on SIGHUP (`systemctl reload wormhole-server`), and within
four seconds after the file that `--config` names has changed, links such as those of a Kubernetes
ConfigMap included. Flags and environment variables keep their values.

**One invalid value keeps the whole old configuration.** The log lists each problem, or names what
changed and what takes effect at the next start. Below, an option whose changes take effect at once
or for new connections says so; all others wait for the next start. At once means: from the next
expiry round or ping; for relay pairs within half a minute. Timeouts that already run keep their old
value.

`wormhole_configuration_reloads_total{outcome}` counts reloads (`ok`, `refused`);
`wormhole_configuration_loaded_timestamp_seconds` says since when the configuration is in effect.
Certificates are [reloaded as well](tls.md#renewal).
"""


def page() -> str:
    """Write the page."""
    return "\n".join([_HEAD, *_options(), *_commands()])


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
    facts = [_code(option.kind.placeholder or f"--no-{option.name} turns it off")]
    if option.many:
        facts.append("may be repeated")
    # A configuration file cannot include another.
    if option.name != "config":
        facts.append(f"default {_code(toml_value(option, option.default))}")
    # The page's head says that most changes wait for the next start.
    effect = "" if option.effect is Effect.NEXT_START else f"; effective {option.effect.value}"
    yield f"{', '.join(facts)}{effect}."
    yield ""


def _commands() -> Iterator[str]:
    yield "## Commands"
    yield ""
    yield (
        "Every command also takes the options above, so that it finds the same database and ports as `run`. "
        "Exit status: 0 for success, 1 for a failure, 2 for an invalid command line or configuration."
    )
    yield ""
    for command in COMMANDS:
        yield from _command(command)


def _command(command: ServerCommand) -> Iterator[str]:
    words = "".join(f" {each.name}" for each in command.parameters if not each.is_flag)
    yield f"### `wormhole-server {command.words}{words}`"
    yield ""
    yield _prose(command.help)
    yield ""
    if command.parameters:
        for each in command.parameters:
            value = f"={each.placeholder}" if each.placeholder else ""
            yield f"- {_code(each.name + value)}: {_prose(each.help)}"
        yield ""


def _prose(text: str) -> str:
    """Escape what Markdown would interpret, outside of code."""
    parts = text.split("`")
    return "`".join(
        part if number % 2 else re.sub(r"([*_<\\[])", r"\\\1", part)
        for number, part in enumerate(parts)
    )


def _code(text: str) -> str:
    return f"`{text}`"


if __name__ == "__main__":
    PATH.write_text(page(), "utf-8")
