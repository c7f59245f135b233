"""
`docs/reload.md` says of each option what the settings say.
"""

from __future__ import annotations

from tools.reload_page import PATH, page


def test_up_to_date() -> None:
    """Its table is what `make docs` would write."""
    written = PATH.read_text("utf-8")
    assert written == page(written), "the settings have changed: run `make docs`"
