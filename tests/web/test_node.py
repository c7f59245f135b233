"""
The browser client's own tests, in Node, and its types.
"""

from __future__ import annotations

import subprocess

import pytest

from tools import web_build


def _run(*arguments: str) -> None:
    web_build.install(tests=True)
    done = subprocess.run(
        web_build.node(*arguments),
        cwd=web_build.WEB,
        env=web_build.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_units() -> None:
    """Every test below web/tests passes."""
    _run("tests/run.mjs")


@pytest.mark.parametrize(
    "project", sorted(p.parent.name for p in web_build.WEB.glob("*/tsconfig.json"))
)
def test_types(project: str) -> None:
    """The types are right; `core` knows no browser."""
    _run("node_modules/typescript/bin/tsc", "--project", project)
