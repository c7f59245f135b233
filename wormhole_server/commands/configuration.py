"""
`wormhole-server config check` and `wormhole-server config show`: the configuration, without serving.
"""

from __future__ import annotations

from wormhole_server.commands.command import Arguments, Command, Status, Terminal
from wormhole_server.show import as_toml
from wormhole_server.sources import Loaded


def _check(loaded: Loaded, arguments: Arguments, terminal: Terminal) -> Status:  # noqa: ARG001
    path = loaded.settings.config
    print(f"The configuration{f' in {path}' if path else ''} is right.", file=terminal.out)
    return Status.OK


def _show(loaded: Loaded, arguments: Arguments, terminal: Terminal) -> Status:  # noqa: ARG001
    print(as_toml(loaded), file=terminal.out)
    return Status.OK


CHECK = Command("config check", "Say everything that is wrong with the configuration.", _check)
SHOW = Command("config show", "Print the configuration in effect, as TOML.", _show)
