"""
`wormhole-server health`: is the server that has these settings ready? For container engines and scripts.
"""

from __future__ import annotations

from wormhole_server.commands.command import Arguments, Command, Parameter, Status, Terminal
from wormhole_server.durations import Seconds, parse_duration
from wormhole_server.sources import Loaded

# Twice what the server gives its database to answer; less than what those wait who run this every few
# seconds.
_TIMEOUT_SECONDS = Seconds(5)


def _health(loaded: Loaded, arguments: Arguments, terminal: Terminal) -> Status:
    # Nobody else needs HTTP as a client.
    from wormhole_server.health import UnhealthyError, check  # noqa: PLC0415

    try:
        given = arguments.get("--timeout")
        seconds = _TIMEOUT_SECONDS if given is None else parse_duration(given)
        if not seconds:
            raise ValueError("0 leaves no time for an answer; write at least 1s")
    except ValueError as error:
        terminal.say(f"--timeout: {error}")
        return Status.UNUSABLE
    settings = loaded.settings
    page = "/healthz" if "--alive" in arguments else "/readyz"
    try:
        said = check(settings.rendezvous, settings.transit, page, seconds)
    except UnhealthyError as error:
        terminal.say(str(error))
        return Status.FAILED
    print(said, file=terminal.out)
    return Status.OK


HEALTH = Command(
    "health",
    "Ask the server that has these settings, on this machine, whether it is ready.",
    _health,
    (
        Parameter("--alive", "Ask only whether it is alive, database or not."),
        Parameter(
            "--timeout", "How long to wait for each of its endpoints. [default: 5s]", "DURATION"
        ),
    ),
)
