"""
`wormhole-server config check` and `wormhole-server config show`: the configuration, without serving.
"""

from __future__ import annotations

from collections.abc import Iterator

from wormhole_server.commands.command import Arguments, Command, Status, Terminal
from wormhole_server.endpoints import endpoint_kind
from wormhole_server.kinds import ENDPOINT
from wormhole_server.settings import OPTIONS, Settings
from wormhole_server.show import as_toml
from wormhole_server.sources import Loaded
from wormhole_server.tls.endpoint import parse_tls_endpoint


def _check(loaded: Loaded, arguments: Arguments, terminal: Terminal) -> Status:  # noqa: ARG001
    problems = list(_problems_of_certificates(loaded.settings))
    for problem in problems:
        terminal.say(problem)
    if problems:
        return Status.UNUSABLE
    path = loaded.settings.config
    print(f"The configuration{f' in {path}' if path else ''} is right.", file=terminal.out)
    return Status.OK


def _problems_of_certificates(settings: Settings) -> Iterator[str]:
    """A line for each that the server would not start with. They are read as whoever asks."""
    # Nothing else here needs OpenSSL.
    from wormhole_server.tls.certificate import CertificateError, read_certificate  # noqa: PLC0415

    for option in OPTIONS:
        for value in getattr(settings, option.attribute) if option.kind is ENDPOINT else ():
            if endpoint_kind(value) == "ssl":
                try:
                    read_certificate(parse_tls_endpoint(value).files)
                except CertificateError as error:
                    yield f"{option.name}: {error}"


def _show(loaded: Loaded, arguments: Arguments, terminal: Terminal) -> Status:  # noqa: ARG001
    print(as_toml(loaded), file=terminal.out)
    return Status.OK


CHECK = Command("config check", "Say everything that is wrong with the configuration.", _check)
SHOW = Command("config show", "Print the configuration in effect, as TOML.", _show)
