"""
What the benchmarks print beside their figures.
"""

from __future__ import annotations

import os
import re

import pytest

from bench.common import LEAST_ROUNDS, machine, ratio


def test_ratio() -> None:
    """A ratio is printed only where there are enough measurements, and something to divide by."""
    assert ratio(6.0, 3.0, LEAST_ROUNDS) == "2.00"
    assert ratio(6.0, 3.0, LEAST_ROUNDS - 1) == ""
    assert ratio(None, 3.0, LEAST_ROUNDS) == ratio(6.0, None, LEAST_ROUNDS) == ""


@pytest.mark.processes
def test_machine() -> None:
    """The CPUs with their model, the versions, the date and the commit are named."""
    text = machine()
    assert text.startswith(f"{os.cpu_count()} CPUs (")
    assert re.search(r"Python 3\.\d+\.\d+, .*\d{4}-\d{2}-\d{2}, commit \S+, load average", text)
