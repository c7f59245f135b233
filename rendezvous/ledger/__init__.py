"""
The ledger: operations in, one durable transaction for all that wait, results out; on SQLite and PostgreSQL.

Everything that runs SQL, takes locks or waits for the database is here. Knows no rule and no command: an
operation is a function that it is given. Imports `errors` and `observer`.
"""
