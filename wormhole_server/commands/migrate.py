"""
The command `wormhole-server migrate`: migrates the database without serving, forwards or back.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from wormhole_server.commands.command import ExitStatus, ServerCommand, Terminal
from wormhole_server.config.command_line import Arguments, Parameter
from wormhole_server.config.database_url import masked
from wormhole_server.config.sources import Loaded
from wormhole_server.errors import StartError

if TYPE_CHECKING:
    from sqlalchemy import URL

    from wormhole_server.database.migrate import MigrationPlan


def _migrate(loaded: Loaded, arguments: Arguments, terminal: Terminal) -> ExitStatus:
    # Alembic is slow to import.
    from rendezvous.database import open_engine  # noqa: PLC0415
    from wormhole_server.database.files import new_file_owned_by_directory_owner  # noqa: PLC0415
    from wormhole_server.database.migrate import (  # noqa: PLC0415
        migrate,
        plan_migration,
        roll_back,
    )

    url = loaded.settings.database_url
    back_to = arguments.get("--back-to")
    if back_to is not None and "--dry-run" in arguments:
        terminal.say("--dry-run cannot be combined with --back-to; remove one of them")
        return ExitStatus.UNUSABLE
    engine = open_engine(url)
    try:
        if back_to is not None:
            done = roll_back(engine, back_to)
            lines = [_sentence(done) if done else f"{masked(url)} already has schema {back_to}."]
        elif "--dry-run" in arguments:
            lines = list(_describe_plan(plan_migration(engine), url))
        else:
            with new_file_owned_by_directory_owner(url):
                done = migrate(engine)
            lines = [_sentence(done) if done else _up_to_date(url)]
    except StartError as error:
        terminal.say(str(error))
        return ExitStatus.FAILED
    finally:
        engine.dispose()
    for line in lines:
        print(line, file=terminal.out)
    return ExitStatus.OK


def _describe_plan(plan: MigrationPlan, url: URL) -> Iterator[str]:
    where = masked(url)
    if not plan.migrations:
        yield _up_to_date(url)
        return
    if plan.current is None:
        yield f"{where} has no tables; these migrations would create them, with schema {plan.newest}:"
    else:
        yield f"{where} has schema {plan.current}; these migrations would bring it to {plan.newest}:"
    for step in plan.migrations:
        yield f"  {step.revision}  {step.summary}"
    if plan.copy is not None:
        again = ", replacing the existing one" if plan.copy.exists() else ""
        yield f"Before that, the file would be copied to {plan.copy}{again}."
    elif plan.current is not None:
        yield "PostgreSQL rolls back a migration that fails; make a backup first: wormhole-server backup"


def _sentence(done: str) -> str:
    return f"{done[0].upper()}{done[1:]}."


def _up_to_date(url: URL) -> str:
    return f"{masked(url)} already has the schema that this program needs; there is nothing to do."


MIGRATE = ServerCommand(
    "migrate",
    "Bring the database to this program's schema, as every start of the server does.",
    _migrate,
    (
        Parameter("--dry-run", "Print what would be done, and change nothing."),
        Parameter(
            "--back-to",
            "Bring the database back to an earlier schema, such as 0001, so that an earlier version "
            "can use it. No server may run on it.",
            "SCHEMA",
        ),
    ),
)
