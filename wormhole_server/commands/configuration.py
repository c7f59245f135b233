"""
The commands `wormhole-server config check` and `wormhole-server config show`: examine the configuration.
"""

from __future__ import annotations

from collections.abc import Iterator

from wormhole_server.commands.command import ExitStatus, ServerCommand, Terminal
from wormhole_server.config.command_line import Arguments
from wormhole_server.config.endpoints import endpoint_kind
from wormhole_server.config.kinds import ENDPOINT
from wormhole_server.config.settings import OPTIONS
from wormhole_server.config.show import as_toml
from wormhole_server.config.sources import Loaded
from wormhole_server.config.tls_endpoint import parse_tls_endpoint


def _check(loaded: Loaded, arguments: Arguments, terminal: Terminal) -> ExitStatus:  # noqa: ARG001
    problems = list(_problems_of_certificates(loaded))
    for problem in problems:
        terminal.say(problem)
    if problems:
        return ExitStatus.UNUSABLE
    path = loaded.settings.config
    print(f"The configuration{f' in {path}' if path else ''} is valid.", file=terminal.out)
    return ExitStatus.OK


def _problems_of_certificates(loaded: Loaded) -> Iterator[str]:
    """Report each certificate with which the server would not start. Reads them as the current user."""
    # Importing OpenSSL is slow.
    from wormhole_server.listening.tls.certificate import CertificateError, read_certificate  # noqa: PLC0415

    for option in OPTIONS:
        for value in getattr(loaded.settings, option.attribute) if option.kind is ENDPOINT else ():
            if endpoint_kind(value) == "ssl":
                try:
                    read_certificate(parse_tls_endpoint(value).files)
                except CertificateError as error:
                    yield f"{loaded.places[option.name]}: {error}"


def _show(loaded: Loaded, arguments: Arguments, terminal: Terminal) -> ExitStatus:  # noqa: ARG001
    print(as_toml(loaded), file=terminal.out)
    return ExitStatus.OK


CHECK = ServerCommand(
    "config check", "Report everything that is wrong with the configuration.", _check
)
SHOW = ServerCommand("config show", "Print the configuration in effect, as TOML.", _show)
