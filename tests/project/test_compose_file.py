"""
The compose files against what they repeat: the settings, the HAProxy file, the example of `.env`.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from wormhole_server.config.settings import OPTIONS

PROJECT = Path(__file__).parents[2]
COMPOSE = "".join(
    (PROJECT / name).read_text() for name in ("docker-compose.yml", "docker-compose.override.yml")
)
EXAMPLE = (PROJECT / ".env.example").read_text()
# The file itself says these, and what an operator sets comes second.
SAID = {"WORMHOLE_SERVER_DATABASE", "WORMHOLE_SERVER_METRICS"}


def _rules(name: str) -> list[str]:
    """What a HAProxy file does, without its comments and without what differs for good reason."""
    text = (PROJECT / "deploy" / name / "haproxy.cfg").read_text()
    # Here names, there addresses, and one instance more.
    text = re.sub(
        r"^ +server three .*\n|^resolvers .*\n(?: .*\n)+|^ +maxconn .*\n",
        "",
        text,
        flags=re.MULTILINE,
    )
    text = re.sub(r"(server \w+) [\w.]+:", r"\1 ", text)
    text = text.replace(" resolvers docker init-addr libc,none", "")
    text = text.replace(" /run/haproxy/admin.sock", " /tmp/admin.sock")
    return [line for each in text.splitlines() if (line := each.split("#")[0].rstrip())]


def test_settings() -> None:
    """Every setting can be given around `docker compose`; `x-settings` lists each one, and no other."""
    listed = re.search(r"^x-settings: &settings\n((?:  .*\n)+)", COMPOSE, re.MULTILINE)
    assert listed is not None
    passed = set(re.findall(r"^  (\w+):$", listed[1], re.MULTILINE))
    assert passed == {option.variable for option in OPTIONS} - SAID


def test_haproxy() -> None:
    """HAProxy follows the same rules in the container as elsewhere."""
    assert _rules("compose") == _rules("haproxy")


def test_example() -> None:
    """`.env.example` explains every variable of the file but the settings, with its default."""
    used = dict(re.findall(r"\$\{(\w+):-([^}]*)\}", COMPOSE))
    explained = dict(re.findall(r"^#(\w+)=(.*)$", EXAMPLE, re.MULTILINE))
    own = {name for name in used if not name.startswith("WORMHOLE_SERVER_")}
    assert {name for name in explained if not name.startswith("WORMHOLE_SERVER_")} == (
        own | {"COMPOSE_FILE", "COMPOSE_PROFILES"}
    )
    for name in explained.keys() & used.keys():
        if name.endswith("_IMAGE"):
            assert explained[name] == used[name]


def test_example_settings() -> None:
    """The settings that it shows are settings."""
    shown = set(re.findall(r"^#(WORMHOLE_SERVER_\w+)=", EXAMPLE, re.MULTILINE))
    assert shown
    assert shown <= {option.variable for option in OPTIONS}


def test_base() -> None:
    """The image is built on the same base with Compose and without."""
    (argument,) = re.findall(
        r"^ARG PYTHON_IMAGE=(.+)$", (PROJECT / "deploy/Dockerfile").read_text(), re.MULTILINE
    )
    assert f"${{PYTHON_IMAGE:-{argument}}}" in COMPOSE


def test_pinned() -> None:
    """No image is whatever is the newest."""
    images = re.findall(r"_IMAGE:-([^}]+)\}", COMPOSE)
    assert len(set(images)) == 8
    for image in images:
        assert re.search(r":(v?\d+\.\d+\.\d+.*|\d+\.\d+-.*|local)$", image), image


def test_context() -> None:
    """What the image is built from is in its context: each package, and what the build reads."""
    kept = set(re.findall(r"^!(.+)$", (PROJECT / ".dockerignore").read_text(), re.MULTILINE))
    build = (PROJECT / "pyproject.toml").read_text()
    packages = re.search(r"^packages = (\[\n[^\]]+\])", build, re.MULTILINE)
    assert packages is not None
    names = json.loads(re.sub(r",\s*\]", "]", packages[1]))
    assert {name.partition(".")[0] for name in names} <= kept
    assert {"LICENSE", "README.md", "constraints.txt", "migrations", "pyproject.toml"} <= kept
