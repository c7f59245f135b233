"""
`docs/configure.md` says what the settings say.
"""

from __future__ import annotations

from tools.configure_page import PATH, page


def test_up_to_date() -> None:
    """What is committed is what `make docs` writes."""
    assert PATH.read_text("utf-8") == page(), "the settings have changed: run `make docs`"
