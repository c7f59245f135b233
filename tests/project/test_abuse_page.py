"""
The page on abuse, and the alerts, have every bound.
"""

from __future__ import annotations

import re

from tests.project.markdown import ROOT
from wormhole_limits.bounds import Bound
from wormhole_server.config.bound_settings import BOUND_SETTINGS

PAGE = (ROOT / "docs" / "abuse.md").read_text("utf-8")
RULES = (ROOT / "deploy" / "prometheus" / "rules.yml").read_text("utf-8")
# They list bounds, and report none.
NO_REPORT = {"bound_settings.py", "recent_addresses.py", "bounds.py"}


def test_reported() -> None:
    """
    `BOUND_SETTINGS` has the bounds that the packages report, and no others, in the order of the enumeration.

    Whoever makes a part report another bound adds it there, and to the table of docs/abuse.md.
    """
    packages = (
        "rendezvous",
        "transit_relay",
        "wormhole_limits",
        "wormhole_websocket",
        "wormhole_server",
    )
    files = [
        file
        for package in packages
        for file in (ROOT / package).rglob("*.py")
        if file.name not in NO_REPORT
    ]
    reported = {
        Bound[name]
        for file in files
        for name in re.findall(r"\bBound\.([A-Z_]+)", file.read_text("utf-8"))
    }
    assert list(BOUND_SETTINGS) == [bound for bound in Bound if bound in reported]


def test_table() -> None:
    """The table has each of these, in order, with links to all of its settings and to no others."""
    rows = re.findall(r"(?m)^\| `(\w+)` \| .+ \| (.*) \|$", PAGE)
    settings = {
        name: tuple(re.findall(r"\[`--([\w-]+)`\]\(configure\.md#--\1\)", cell))
        for name, cell in rows
    }
    assert [name for name, _ in rows] == [bound.value for bound in BOUND_SETTINGS]
    assert settings == {bound.value: names for bound, names in BOUND_SETTINGS.items()}


def test_alerts() -> None:
    """Each bound has one alert; that for connections is on the series of refused connections."""
    matchers = re.findall(r'bounds_met_total\{bound=~?"([\w|]+)"', RULES)
    alerted = [bound for matcher in matchers for bound in matcher.split("|")]
    assert sorted([*alerted, "connections"]) == sorted(bound.value for bound in Bound)
    assert 'refused_connections_total{reason="address"}' in RULES
