"""
The doctor: checks of everything that a server needs, each with its findings; and the health check.

Imports `config`, `database`, `listening`, the probe of the relay's pipe and those of the client. `health`
imports `config` only, and neither Twisted's reactor nor anything that serves: containers run it every few
seconds.
"""
