"""
The vectors of the browser client's tests are what `spake2` and the command-line client compute.
"""

from __future__ import annotations

from tools.web_vectors import PATH, vectors


def test_up_to_date() -> None:
    """What is committed is what `make docs` writes."""
    assert PATH.read_text("utf-8") == vectors(), "the client has changed: run `make docs`"
