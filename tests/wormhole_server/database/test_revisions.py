"""Tests of `wormhole_server.database.revisions`, and of each migration."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import URL

from rendezvous.database import open_engine
from tests.wormhole_server.databases import DatabaseCase, fill, rows
from wormhole_server.database import revisions
from wormhole_server.database.migrate import migrate
from wormhole_server.database.revisions import (
    create,
    current_revision,
    downgrade,
    known_revisions,
    newest_revision,
    pending_migrations,
    upgrade,
)
from wormhole_server.database.schema import metadata
from wormhole_server.errors import StartError


@pytest.mark.processes
class RevisionTests(DatabaseCase):
    def test_known(self) -> None:
        """Revisions come oldest first; the last one is the newest."""
        known = known_revisions()
        self.assertEqual([each.revision for each in pending_migrations(None)], known)
        self.assertEqual(known[-1], newest_revision())

    def test_pending(self) -> None:
        """What a database lacks is listed oldest first, each with its summary."""
        self.assertEqual(
            [each.revision for each in pending_migrations("0001")], known_revisions()[1:]
        )
        self.assertIn("usage databases of other servers", pending_migrations("0001")[0].summary)
        self.assertEqual(pending_migrations(newest_revision()), ())

    def test_current(self) -> None:
        """A database has no revision before its tables, and then the one that they have."""
        for url in (self.sqlite(), self.postgres()):
            with open_engine(url).connect() as connection:
                self.assertIsNone(current_revision(connection, "it"))
                upgrade(connection, "0001")
                self.assertEqual(current_revision(connection, "it"), "0001")

    def test_newer(self) -> None:
        """A schema that this program does not know is refused."""
        fill(self.sqlite())
        with open_engine(self.sqlite()).connect() as connection:
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
            with self.assertRaises(StartError) as caught:
                current_revision(connection, "it")
        self.assertIn("it has schema 9999, which is newer", str(caught.exception))

    def test_foreign(self) -> None:
        """A database with the tables of another program is refused."""
        with open_engine(self.sqlite()).connect() as connection:
            connection.exec_driver_sql("CREATE TABLE songs (title)")
            with self.assertRaises(StartError) as caught:
                current_revision(connection, "it")
        self.assertIn("another program (its tables: songs…)", str(caught.exception))

    def test_transaction(self) -> None:
        """Migrations, and their undoing, belong to the caller's transaction: a rollback leaves nothing."""
        for url in (self.sqlite(), self.postgres()):
            engine = open_engine(url)
            for migration, revision in ((upgrade, "head"), (downgrade, "0001")):
                before = rows(url)
                with engine.connect() as connection:
                    if engine.dialect.name == "sqlite":
                        connection.exec_driver_sql("BEGIN IMMEDIATE")
                    migration(connection, revision)
                    connection.rollback()
                self.assertEqual(rows(url), before)
                migrate(engine)
            engine.dispose()

    def test_create(self) -> None:
        """A database that is created has the tables of one that is migrated, to the last default."""
        for created, migrated in (
            (self.sqlite("created.db"), self.sqlite("migrated.db")),
            (self.postgres(), self.postgres()),
        ):
            for url, begin in ((created, create), (migrated, upgrade)):
                with open_engine(url).begin() as connection:
                    begin(connection)
            self.assertEqual(_described(created), _described(migrated))

    def test_odd_place(self) -> None:
        """The program may be installed anywhere, even where the path contains a percent sign."""
        place = self.directory / "50%" / "migrations"
        place.parent.mkdir()
        place.symlink_to(str(files("wormhole_server.migrations")))
        fill(self.sqlite(), "0001")
        self.patch(revisions, "files", lambda name: place / Path(*name.split(".")[2:]))
        self.assertIsNotNone(migrate(open_engine(self.sqlite())))


def _described(url: URL) -> str:
    """All that the database itself says of its tables, and the revision."""
    engine = open_engine(url)
    with engine.connect() as connection:
        inspector = sa.inspect(connection)
        described: list[object] = [current_revision(connection, "it")]
        for name in sorted(inspector.get_table_names()):
            described += [
                name,
                inspector.get_columns(name),
                inspector.get_pk_constraint(name),
                inspector.get_unique_constraints(name),
                inspector.get_indexes(name),
                inspector.get_check_constraints(name),
                inspector.get_foreign_keys(name),
                inspector.get_table_options(name),
            ]
        if url.get_backend_name() == "sqlite":
            counting = (
                "SELECT name FROM sqlite_master WHERE sql LIKE '%AUTOINCREMENT%' ORDER BY name"
            )
            described += connection.exec_driver_sql(counting).scalars().all()
    engine.dispose()
    return json.dumps(described, default=str, indent=1)


@pytest.mark.processes
class MigrationTests(DatabaseCase):
    """Each migration from the schema before it, with rows in it."""

    def _migrate(self, url: URL, before: str, after: str) -> None:
        engine = open_engine(url)
        with engine.begin() as connection:
            self.assertEqual(current_revision(connection, "it"), before)
            upgrade(connection, after)
        engine.dispose()

    def test_0004(self) -> None:
        """The fourth schema knows what each mailbox holds; servers of the third may go on storing."""
        for url in (self.sqlite(), self.postgres()):
            fill(url, "0003")
            before = rows(url)
            self._migrate(url, "0003", "0004")
            after = rows(url)
            # one + pake + 00ff + "é", then two + pake + null.
            totals = [message[-1] for message in after["messages"]]
            self.assertEqual(totals, [14, 25])
            self.assertEqual([row[:-1] for row in after["messages"]], before["messages"])
            engine = open_engine(url)
            with engine.begin() as connection:
                connection.exec_driver_sql(
                    "INSERT INTO messages (mailbox_id, number, side, phase, body, message_id, received)"
                    " VALUES (41, 3, 'two', '0', 'ff', 'null', 103.0)"
                )
                connection.exec_driver_sql("DELETE FROM messages WHERE number = 3")
                downgrade(connection, "0003")
            engine.dispose()
            self.assertEqual(rows(url), before)

    def test_0003(self) -> None:
        """The third schema has every row of the second, and two indexes more."""
        for url in (self.sqlite(), self.postgres()):
            fill(url, "0002")
            before = rows(url)
            del before["alembic_version"]
            self._migrate(url, "0002", "0003")
            after = rows(url)
            self.assertEqual(after.pop("alembic_version"), [("0003",)])
            self.assertEqual(after, before)
            engine = open_engine(url)
            with engine.begin() as connection:
                downgrade(connection, "0002")
                names = {index["name"] for index in sa.inspect(connection).get_indexes("messages")}
            engine.dispose()
            self.assertNotIn("ix_messages_later", names)

    def test_0002(self) -> None:
        """The second schema has one table more, and every row of the first."""
        for url in (self.sqlite(), self.postgres()):
            fill(url, "0001")
            before = rows(url)
            self._migrate(url, "0001", "0002")
            after = rows(url)
            self.assertEqual(after.pop("usage_imports"), [])
            self.assertEqual(after.pop("alembic_version"), [("0002",)])
            del before["alembic_version"]
            self.assertEqual(after, before)

    def test_as_declared(self) -> None:
        """The migrations create exactly the tables that the code declares."""
        for url in (self.sqlite(), self.postgres()):
            fill(url)
            engine = open_engine(url)
            with engine.connect() as connection:
                context = MigrationContext.configure(connection, opts={"compare_type": True})
                self.assertEqual(compare_metadata(context, metadata), [])
            engine.dispose()
