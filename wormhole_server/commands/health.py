"""
The command `wormhole-server health`: asks the server on this machine whether it is ready.
"""

from __future__ import annotations

from wormhole_server.commands.command import ExitStatus, ServerCommand, Terminal
from wormhole_server.config.command_line import Arguments, Parameter
from wormhole_server.config.durations import Seconds, parse_duration
from wormhole_server.config.sources import Loaded

# Twice as long as the server waits for its database, and less than container engines wait for this command.
_TIMEOUT_SECONDS = Seconds(5)


def _health(loaded: Loaded, arguments: Arguments, terminal: Terminal) -> ExitStatus:
    # No other command needs an HTTP client.
    from wormhole_server.doctor.health import UnhealthyError, check_health  # noqa: PLC0415

    try:
        given = arguments.get("--timeout")
        seconds = _TIMEOUT_SECONDS if given is None else parse_duration(given)
        if not seconds:
            raise ValueError("0 leaves no time for an answer; write such as 5s")
    except ValueError as error:
        terminal.say(f"--timeout: {error}")
        return ExitStatus.UNUSABLE
    settings = loaded.settings
    page = "/healthz" if "--alive" in arguments else "/readyz"
    try:
        answer = check_health(settings.rendezvous, settings.transit, page, seconds)
    except UnhealthyError as error:
        terminal.say(str(error))
        return ExitStatus.FAILED
    print(answer, file=terminal.out)
    return ExitStatus.OK


HEALTH = ServerCommand(
    "health",
    "Ask the server that has these settings, on this machine, whether it is ready.",
    _health,
    (
        Parameter("--alive", "Ask only whether it is alive, whatever the state of its database."),
        Parameter(
            "--timeout",
            "How long to wait for the answer of each endpoint. [default: 5s]",
            "DURATION",
        ),
    ),
    # Runs every few seconds: others would cost more to read than the answer.
    frozenset({"config", "rendezvous", "transit"}),
)
