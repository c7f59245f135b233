"""How much several instances on one PostgreSQL carry, and what it costs the database."""
