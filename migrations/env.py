"""
How alembic runs the steps: over the connection that it is handed, in that connection's transaction.

Also serves `alembic revision --autogenerate` for developers (see CONTRIBUTING.md).
"""

from alembic import context

from rendezvous.schema import metadata
from wormhole_server import usage  # noqa: F401 - its table belongs to the schema too

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    transactional_ddl=True,
    render_as_batch=True,
)
context.run_migrations()
