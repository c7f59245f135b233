"""
The browser client has the words of the command-line client.
"""

from __future__ import annotations

from tools.web_words import PATH, module


def test_up_to_date() -> None:
    """What is committed is what `make docs` writes."""
    assert PATH.read_text("utf-8") == module(), "the words have changed: run `make docs`"
