"""
Bounds what a mailbox holds without reading it; adds the column messages.total.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_FILL = """
UPDATE messages SET total = sums.total
FROM (
    SELECT mailbox_id, number,
        sum(length(side) + length(phase) + length(body) + length(message_id))
            OVER (PARTITION BY mailbox_id ORDER BY number) AS total
    FROM messages
) AS sums
WHERE messages.mailbox_id = sums.mailbox_id AND messages.number = sums.number
"""


def upgrade() -> None:
    # With a default: a server with the schema before may still store messages.
    op.add_column(
        "messages", sa.Column("total", sa.BigInteger, nullable=False, server_default="0")
    )
    op.execute(_FILL)


def downgrade() -> None:
    op.drop_column("messages", "total")
