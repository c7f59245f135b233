"""
The program `wormhole-server`, also as `python -m wormhole_server`.

Owns what SIGINT does until the command line takes over: the process ends at once and silently. Importing the
rest takes a part of a second, in which Python would print a traceback.
"""

import sys

from wormhole_server.lifecycle.garbage_collection import collection_paused
from wormhole_server.lifecycle.interrupts import immediate_interrupts


def main() -> int:
    """
    Import the command line, and run it.

    :return: the exit status.
    """
    with immediate_interrupts(), collection_paused():
        from wormhole_server import cli  # noqa: PLC0415

    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
