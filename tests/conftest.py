"""
What all tests share: how hard Hypothesis looks, what programs inherit, and which tests start programs.
"""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# The machine decides how long an example takes, not the code alone.
settings.register_profile(
    "suite", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("suite")

# A shell that starts something in the background lets it ignore SIGINT, and so would what the tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

_END_TO_END = Path(__file__).parent / "end_to_end"


def pytest_sessionfinish() -> None:
    """End PostgreSQL: workers of pytest-xdist end without running what `atexit` has."""
    databases = sys.modules.get("tests.databases")
    if databases is not None:
        databases.close_postgres()


class _NoProcess:
    def __init__(self, *_: object, **__: object) -> None:
        raise AssertionError("a test that starts processes is marked: @pytest.mark.processes")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark all end-to-end tests; without marked ones, nothing starts a process."""
    for item in items:
        if item.path.is_relative_to(_END_TO_END):
            item.add_marker("processes")
    if config.getoption("markexpr") == "not processes":
        subprocess.Popen = _NoProcess  # type: ignore[assignment,misc]
