"""
The statements that the rules of nameplates, mailboxes and messages run, and the values of their rows.

Imports `rules.schema`, `protocol` and `ledger.statements`.
"""
