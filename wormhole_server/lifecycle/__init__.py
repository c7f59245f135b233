"""
Start, reload, signals, systemd, the log and shutdown of the process.

Imports `config` and `errors`.
"""
