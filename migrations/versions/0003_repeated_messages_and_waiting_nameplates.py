"""
Finds repeated messages, and nameplates that wait for their second side, without reading all; adds two indexes.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    later = sa.text("number > 50")
    op.create_index(
        "ix_messages_later",
        "messages",
        ["mailbox_id", "side", "phase"],
        sqlite_where=later,
        postgresql_where=later,
    )
    waiting = sa.text("second_side IS NULL")
    op.create_index(
        "ix_nameplates_waiting",
        "nameplates",
        ["app", "id"],
        sqlite_where=waiting,
        postgresql_where=waiting,
    )


def downgrade() -> None:
    op.drop_index("ix_nameplates_waiting", "nameplates")
    op.drop_index("ix_messages_later", "messages")
