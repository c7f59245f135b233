"""
The doctor: checks of everything that a server needs, each with its findings; and the health check.

Imports `config`, `database`, `listening` and the client's probes. `health` imports `config` only, and
neither Twisted's reactor nor anything that serves: containers run it every few seconds.
"""
