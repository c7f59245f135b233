"""
Checks of a server from outside: the probes, the check, its watch, and the load.

Imports `transit`, `network`, `machines` and the library. The connection probes need nothing of the
client's extra.
"""
