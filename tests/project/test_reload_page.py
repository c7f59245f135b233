"""
The page on reloading names every option where it belongs.
"""

from __future__ import annotations

import re

import pytest

from tests.project.markdown import ROOT
from wormhole_server.option import Effect
from wormhole_server.settings import OPTIONS

PAGE = ROOT / "docs" / "reload.md"


@pytest.mark.parametrize("effect", Effect)
def test_options(effect: Effect) -> None:
    """The row of an effect has the options of that effect, in the order of the help."""
    row = re.search(rf"^\| {effect.value} \| (.*) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert row is not None
    assert row[1] == ", ".join(f"`{option.flag}`" for option in OPTIONS if option.effect is effect)
