"""
The first schema.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "nameplates",
        sa.Column("id", _KEY, autoincrement=True, nullable=False),
        sa.Column("app", sa.Text, nullable=False),
        sa.Column("digits", sa.SmallInteger, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("mailbox", sa.Text, nullable=False),
        sa.Column("first_side", sa.Text, nullable=False),
        sa.Column("first_released", sa.Boolean, nullable=False),
        sa.Column("second_side", sa.Text),
        sa.Column("second_released", sa.Boolean, nullable=False),
        sa.Column("second_came", sa.Double),
        sa.Column("crowded", sa.Boolean, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("used", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_nameplates"),
        sa.UniqueConstraint("app", "digits", "name", name="uq_nameplates_app_digits_name"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_nameplates_used", "nameplates", ["used"])
    op.create_table(
        "mailboxes",
        sa.Column("id", _KEY, autoincrement=True, nullable=False),
        sa.Column("app", sa.Text, nullable=False),
        sa.Column("mailbox", sa.Text, nullable=False),
        sa.Column("nameplate", sa.Text),
        sa.Column("first_side", sa.Text, nullable=False),
        sa.Column("first_open", sa.Boolean, nullable=False),
        sa.Column("first_mood", sa.Text),
        sa.Column("second_side", sa.Text),
        sa.Column("second_open", sa.Boolean, nullable=False),
        sa.Column("second_mood", sa.Text),
        sa.Column("second_came", sa.Double),
        sa.Column("crowded", sa.Boolean, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("used", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_mailboxes"),
        sa.UniqueConstraint("app", "mailbox", name="uq_mailboxes_app_mailbox"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_mailboxes_used", "mailboxes", ["used"])
    op.create_table(
        "messages",
        sa.Column("mailbox_id", _KEY, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("side", sa.Text, nullable=False),
        sa.Column("phase", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("message_id", sa.Text, nullable=False),
        sa.Column("received", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("mailbox_id", "number", name="pk_messages"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "discarded_mailboxes",
        sa.Column("mailbox_id", _KEY, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("mailbox_id", name="pk_discarded_mailboxes"),
    )
    for name, particular in (
        ("nameplate_usage", ()),
        ("mailbox_usage", (sa.Column("nameplate", sa.Boolean, nullable=False),)),
    ):
        op.create_table(
            name,
            sa.Column("id", _KEY, autoincrement=True, nullable=False),
            sa.Column("app", sa.Text, nullable=False),
            sa.Column("started", sa.Double, nullable=False),
            sa.Column("waiting_seconds", sa.Double),
            sa.Column("total_seconds", sa.Double, nullable=False),
            sa.Column("mood", sa.Text, nullable=False),
            *particular,
            sa.PrimaryKeyConstraint("id", name=f"pk_{name}"),
        )
        op.create_index(f"ix_{name}_started", name, ["started"])
    op.create_table(
        "client_usage",
        sa.Column("id", _KEY, autoincrement=True, nullable=False),
        sa.Column("app", sa.Text, nullable=False),
        sa.Column("started", sa.Double, nullable=False),
        sa.Column("implementation", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_client_usage"),
    )
    op.create_index("ix_client_usage_started", "client_usage", ["started"])
    op.create_table(
        "relay_usage",
        sa.Column("id", _KEY, autoincrement=True, nullable=False),
        sa.Column("end", sa.Text, nullable=False),
        sa.Column("started", sa.Double, nullable=False),
        sa.Column("waiting_seconds", sa.Double),
        sa.Column("total_seconds", sa.Double, nullable=False),
        sa.Column("mood", sa.Text, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_relay_usage"),
    )
    op.create_index("ix_relay_usage_started", "relay_usage", ["started"])


def downgrade() -> None:
    for name in (
        "relay_usage",
        "client_usage",
        "mailbox_usage",
        "nameplate_usage",
        "discarded_mailboxes",
        "messages",
        "mailboxes",
        "nameplates",
    ):
        op.drop_table(name)
