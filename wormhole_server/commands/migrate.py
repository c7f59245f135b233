"""
`wormhole-server migrate`: bring the database to this program's schema without serving, or say what that
would do; or take it back to an earlier one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sqlalchemy import URL

from wormhole_server.commands.command import Arguments, Command, Parameter, Status, Terminal
from wormhole_server.database_url import masked
from wormhole_server.errors import StartError
from wormhole_server.sources import Loaded

if TYPE_CHECKING:
    from wormhole_server.migrate import Plan


def _migrate(loaded: Loaded, arguments: Arguments, terminal: Terminal) -> Status:
    # Alembic is what no other command should have to wait for.
    from rendezvous.database import open_engine  # noqa: PLC0415
    from wormhole_server.migrate import migrate, plan  # noqa: PLC0415
    from wormhole_server.ownership import owned_as_directory  # noqa: PLC0415
    from wormhole_server.rollback import roll_back  # noqa: PLC0415

    url = loaded.settings.database
    back_to = arguments.get("--back-to")
    if back_to is not None and "--dry-run" in arguments:
        terminal.say("--dry-run says what a step forward would do; leave it out with --back-to")
        return Status.UNUSABLE
    engine = open_engine(url)
    try:
        if back_to is not None:
            done = roll_back(engine, back_to)
            lines = [_sentence(done) if done else f"{masked(url)} has schema {back_to} already."]
        elif "--dry-run" in arguments:
            lines = list(_told(plan(engine), url))
        else:
            with owned_as_directory(url):
                done = migrate(engine)
            lines = [_sentence(done) if done else _nothing(url)]
    except StartError as error:
        terminal.say(str(error))
        return Status.FAILED
    finally:
        engine.dispose()
    for line in lines:
        print(line, file=terminal.out)
    return Status.OK


def _told(would: Plan, url: URL) -> Iterator[str]:
    where = masked(url)
    if not would.steps:
        yield _nothing(url)
        return
    if would.current is None:
        yield f"{where} has no tables; they would be made, with schema {would.newest}, in these steps:"
    else:
        yield f"{where} has schema {would.current}; these steps would bring it to {would.newest}:"
    for step in would.steps:
        yield f"  {step.revision}  {step.summary}"
    if would.copy is not None:
        again = ", in place of the one that is there" if would.copy.exists() else ""
        yield f"A copy of the file would be kept in {would.copy} before{again}."
    elif would.current is not None:
        yield "PostgreSQL takes back a step that fails; make a backup before: wormhole-server backup"


def _sentence(done: str) -> str:
    return f"{done[0].upper()}{done[1:]}."


def _nothing(url: URL) -> str:
    return f"{masked(url)} has the schema that this program needs; there is nothing to do."


MIGRATE = Command(
    "migrate",
    "Bring the database to this program's schema, as every start of the server does.",
    _migrate,
    (
        Parameter("--dry-run", "Say what would be done, and change nothing."),
        Parameter(
            "--back-to",
            "Take the schema back to an earlier one, such as 0001, for an earlier version to start "
            "on, while no server runs.",
            "SCHEMA",
        ),
    ),
)
