"""
The entry point of `wormhole-client`, and of `python -m wormhole_client`.

Owns what is said when the libraries of the extra are not installed. Imports the rest only when it runs.
"""

import gc
import os
import sys
from importlib.util import find_spec
from typing import Final

EXTRA: Final = ("nacl", "segno", "spake2", "tqdm")  # the packages of the extra `client`
INTERRUPTED: Final = 130  # as shells report SIGINT


def main() -> None:
    """Run the command of `sys.argv`. The console script."""
    for name in EXTRA:
        if find_spec(name) is None:
            sys.exit(
                f"wormhole-client: {name} is not installed: run pip install '.[client]' in the checkout"
            )
    # Autobahn imports its native code together with a parser of C, which takes 12 ms. `network.stream`
    # imports what files need of it.
    os.environ.setdefault("AUTOBAHN_USE_NVX", "0")
    try:
        # What is imported stays: the collector, which looks through it again and again, and once more at the
        # exit, would take a quarter of the time of a short command.
        gc.disable()
        from wormhole_client.cli import main as run  # noqa: PLC0415 - see above

        gc.freeze()
        gc.enable()
        run()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
