"""
The entry point of `wormhole-client`, and of `python -m wormhole_client`.

Owns what is said when the libraries of the extra are not installed. Imports the rest only when it runs.
"""

import gc
import sys
from typing import Final

EXTRA: Final = {"nacl", "segno", "spake2", "tqdm"}  # the packages of the extra `client`
INTERRUPTED: Final = 130  # as shells report SIGINT


def main() -> None:
    """Run the command of `sys.argv`. The console script."""
    try:
        # What is imported stays: the collector, which looks through it again and again, and once more at the
        # exit, would take a quarter of the time of a short command.
        gc.disable()
        from wormhole_client.cli import main as run  # noqa: PLC0415 - may fail, see above

        gc.freeze()
        gc.enable()
        run()
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.partition(".")[0] not in EXTRA:
            raise
        sys.exit(
            f"wormhole-client: {missing.name} is not installed: run pip install '.[client]' in the checkout"
        )
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
