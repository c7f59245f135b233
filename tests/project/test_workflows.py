"""
The files that GitHub reads: valid to the tools that know its formats, and what is released is what is named.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.project.markdown import ROOT
from tools.release_notes import version

GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").iterdir())
COMPOSE = [ROOT / "docker-compose.yml", ROOT / "docker-compose.override.yml"]
FORMS = sorted(set((GITHUB / "ISSUE_TEMPLATE").iterdir()) - {GITHUB / "ISSUE_TEMPLATE/config.yml"})


def _run(*command: str) -> tuple[int, str]:
    done = subprocess.run(
        [str(Path(sys.executable).parent / command[0]), *command[1:]],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def _actionlint(*files: Path) -> tuple[int, str]:
    # Without other linters, which a machine may have or not.
    return _run("actionlint", "-no-color", "-shellcheck=", "-pyflakes=", *map(str, files))


def test_workflows() -> None:
    """`actionlint` has nothing to say of the workflows."""
    assert len(WORKFLOWS) == 2
    assert _actionlint(*WORKFLOWS) == (0, "")


def test_actionlint(tmp_path: Path) -> None:
    """It would: of a job that needs one that is not there, and of an expression that leads nowhere."""
    wrong = tmp_path / "wrong.yml"
    text = (GITHUB / "workflows/release.yml").read_text()
    wrong.write_text(text.replace("needs: check\n", "needs: chekc\n"))
    assert _actionlint(wrong)[0] == 1
    wrong.write_text(text.replace("outputs.version }}", "outputs.verison }}"))
    assert "verison" in _actionlint(wrong)[1]


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("github-workflows", WORKFLOWS),
        ("dependabot", [GITHUB / "dependabot.yml"]),
        ("github-issue-config", [GITHUB / "ISSUE_TEMPLATE/config.yml"]),
        ("github-issue-forms", FORMS),
        ("compose-spec", COMPOSE),
    ],
)
def test_schemas(schema: str, files: list[Path]) -> None:
    """Each file follows the published schema of its kind."""
    assert files
    status, said = _run("check-jsonschema", f"--builtin-schema=vendor.{schema}", *map(str, files))
    assert status == 0, said


def test_pinned() -> None:
    """An action of others is named by its commit; the comment has its version, which Dependabot raises."""
    used = [line for file in WORKFLOWS for line in file.read_text().splitlines() if "uses:" in line]
    assert used
    for line in used:
        assert re.search(r"uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line


def test_permissions() -> None:
    """A workflow may read by default; a job that may do more names what."""
    for file in WORKFLOWS:
        workflow = yaml.safe_load(file.read_text())
        assert workflow["permissions"] == {"contents": "read"}
        for job in workflow["jobs"].values():
            assert "timeout-minutes" in job


def test_image() -> None:
    """The compose file names the image of the version of the program."""
    number = version()
    named = re.findall(r"\$\{WORMHOLE_IMAGE:-(\S+?)\}", COMPOSE[0].read_text())
    assert [image.rpartition(":")[2] for image in named] == [number]
