"""
Remembers which usage databases of other servers have been imported; adds the table usage_imports.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "usage_imports",
        sa.Column("id", _KEY, autoincrement=True, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("records", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("imported", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_usage_imports"),
        sa.UniqueConstraint("kind", "digest", name="uq_usage_imports_kind_digest"),
    )


def downgrade() -> None:
    op.drop_table("usage_imports")
