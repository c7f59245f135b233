"""
What `tests/end_to_end/test_instances.py` shows with a few kills, with many.
"""

from __future__ import annotations

from pathlib import Path

from tests.end_to_end.processes import serving
from tests.end_to_end.stores import database
from tests.end_to_end.test_instances import kill_in_turn, stop_postgres_hard


def test_many_kills(tmp_path: Path) -> None:
    """Two instances are killed in turn while their clients go to either."""
    with database("postgres", tmp_path) as url, serving(url) as one, serving(url) as other:
        assert kill_in_turn([one, other], 20) > 200


def test_many_hard_stops() -> None:
    """PostgreSQL is stopped hard and started again under load."""
    assert stop_postgres_hard(8) > 80
