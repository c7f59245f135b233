"""
The database as a whole: its schema's migrations, locks, backups, and access for commands beside a server.

Imports `config` and `errors`, and of the other packages only `rendezvous`. Knows tables and revisions, not
what a row means.
"""
