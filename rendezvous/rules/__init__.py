"""
The rules of nameplates, mailboxes, messages, allocation, expiry and usage, and the schema that they work on.

Each rule is a function over one transaction; none commits. `sql` holds the statements of the first three.
Imports `errors`, `protocol`, `ledger.keys` and `ledger.statements`. No connection, no clock.
"""
