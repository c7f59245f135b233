"""
Backups: one SQLite file that holds one moment of a database, whichever kind that is, and the way back.

Imports the rest of `database`, `config` and `errors`.
"""
