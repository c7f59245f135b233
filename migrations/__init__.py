"""Migrations of the schema: one module in `versions` for each; `wormhole_server.database` runs them."""
