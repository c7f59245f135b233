"""
Start, reload, signals, systemd, the log, shutdown and handover of the process.

Imports `config` and `errors`, and of the relay the state that is handed over.
"""
