"""
The pictures in docs/images, made anew:

    python -m tests.system.screenshots
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.end_to_end.processes import Program
from tests.system.chromium import Tab, browsing

IMAGES = Path(__file__).parent.parent.parent / "docs" / "images"


def _take(tab: Tab, address: str) -> None:
    for name, path, width, height, dark in (
        ("home", "/", 800, 1000, False),
        ("status", "/status", 800, 1010, False),
        ("status-dark", "/status", 390, 860, True),
        ("home-dark", "/", 390, 860, True),
    ):
        tab.look(width, dark=dark, touch=width < 500)
        tab.go(address + path)
        (IMAGES / f"{name}.png").write_bytes(tab.picture(height))


def main() -> None:
    """Take them all."""
    IMAGES.mkdir(exist_ok=True)
    gallery = Program([sys.executable, "-m", "tests.system.gallery"])
    try:
        port = gallery.wait_for(r"(?m)^(\d+)$")[1]
        with browsing() as tab:
            _take(tab, f"http://127.0.0.1:{port}")
    finally:
        gallery.end()


if __name__ == "__main__":
    main()
