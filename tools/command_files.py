"""
Manual pages and completion for both programs, in the places below a `share` directory.

    python -m tools.command_files ~/.local/share

The Debian package has them in /usr/share.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from tools.completion import bash, fish, zsh
from tools.manual_pages import manual_page
from tools.programs import client_program, server_program


def command_files(epoch: float) -> Iterator[tuple[str, str]]:
    """
    Make the files: each one's path, and its text.

    :param epoch: the time of the version, in seconds since the epoch.
    """
    day = datetime.fromtimestamp(epoch, UTC).date().isoformat()
    for program in (server_program(), client_program()):
        name = program.name
        yield f"man/man1/{name}.1", manual_page(program, day)
        yield f"bash-completion/completions/{name}", bash(program)
        yield f"zsh/vendor-completions/_{name}", zsh(program)
        yield f"fish/vendor_completions.d/{name}.fish", fish(program)


if __name__ == "__main__":
    share = Path(sys.argv[1])
    now = os.environ.get("SOURCE_DATE_EPOCH") or time.time()  # noqa: TID251
    for place, text in command_files(float(now)):
        path = share / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
