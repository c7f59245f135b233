"""
The icons of the browser client, from `wormhole_server/web/pages/icon.svg`, as the pictures that phones want:

    python -m tools.web_icons

Needs Debian's Chromium. What it writes is committed, as no other tool of the build draws.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from tests.system.chromium import browsing

_ROOT = Path(__file__).parents[1]
_DRAWING = _ROOT / "wormhole_server" / "web" / "pages" / "icon.svg"
_FOLDER = _ROOT / "web" / "page" / "icons"
_BACKGROUND = "#4c3aa8"

# By name: pixels, and how much of the width the drawing has. Phones cut a maskable icon, and that for the
# home screen of iOS, to their own shapes.
_ICONS = {
    "icon-192": (192, 1.0),
    "icon-512": (512, 1.0),
    "maskable-512": (512, 0.8),
    "touch-180": (180, 0.8),
}


def main() -> None:
    """Draw them all."""
    drawing = "data:image/svg+xml," + quote(_DRAWING.read_text())
    with browsing() as tab:
        for name, (pixels, share) in _ICONS.items():
            size = int(pixels * share)
            tab.look(pixels)
            tab.go(
                f"data:text/html,<body style='margin:0;height:{pixels}px;display:grid;place-items:center;"
                f'background:{quote(_BACKGROUND)}\'><img width={size} height={size} src="{quote(drawing)}">'
            )
            (_FOLDER / f"{name}.png").write_bytes(tab.picture(pixels))


if __name__ == "__main__":
    main()
