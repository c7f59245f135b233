"""
How alembic runs the steps: over the connection that it is handed, in that connection's transaction.
"""

from alembic import context

from rendezvous.schema import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    # SQLite can take back what it has done to tables, as PostgreSQL can; alembic does not know.
    transactional_ddl=True,
    render_as_batch=True,
)
context.run_migrations()
