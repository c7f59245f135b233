"""
Alembic's environment: runs migrations over the connection in the configuration, in its transaction.

The caller begins and commits the transaction.
"""

from alembic import context

from rendezvous.rules.schema import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    # SQLite rolls changes of tables back, as PostgreSQL does; alembic assumes that it does not.
    transactional_ddl=True,
    render_as_batch=True,
)
context.run_migrations()
