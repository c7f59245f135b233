"""
Reporting usage: statistics from the database, and how they are written.

Imports the rest of `usage`, `metrics`, `config` and `errors`.
"""
