"""
The commands of `wormhole-server`, one module each; `wormhole_server/cli.py` lists them.

May import everything except `cli` and `plugin`. A module imports what is slow to import only when its
command runs.
"""
