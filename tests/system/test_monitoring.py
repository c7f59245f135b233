"""
What `deploy/` has for Prometheus and Grafana, with Debian's Prometheus and the metrics of a real server.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

from tests.end_to_end.processes import SECONDS, Program, Server, serving

ROOT = Path(__file__).parent.parent.parent
RULES = ROOT / "deploy" / "prometheus" / "rules.yml"
RULE_TESTS = RULES.with_name("rules_test.yml")
DASHBOARD: dict[str, Any] = json.loads((ROOT / "deploy/grafana/dashboard.json").read_text())
ALERTS = re.findall(r"(?m)^ +- alert: (\w+)$", RULES.read_text())
ROWS = ["Traffic", "Outcomes", "Latency", "Ledger", "Relay links", "Saturation", "Errors"]


def _panels(kind: str | None = None) -> list[dict[str, Any]]:
    return [each for each in DASHBOARD["panels"] if kind is None or each["type"] == kind]


def _expressions() -> list[str]:
    """All that the dashboard asks, with its variables as Grafana would fill them in."""
    asked = [target["expr"] for panel in _panels() for target in panel.get("targets", ())]
    asked += [each["expr"] for each in DASHBOARD["annotations"]["list"] if "expr" in each]
    return [each.replace("$instance", ".*").replace("$__rate_interval", "1m") for each in asked]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(f"sqlite:///{tmp_path_factory.mktemp('server') / 'server.db'}") as running:
        yield running


@pytest.fixture(scope="module")
def prometheus(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Prometheus that has our rules and watches a server."""
    where = tmp_path_factory.mktemp("prometheus")
    shutil.copy(RULES, where)
    config = where / "prometheus.yml"
    config.write_text(f"""
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [rules.yml]
scrape_configs:
  - job_name: wormhole-server
    static_configs: [{{targets: ["127.0.0.1:{server.metrics_port}"]}}]
""")
    with closing(socket.socket()) as listening:
        listening.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{listening.getsockname()[1]}"
    with ExitStack() as stack:
        program = Program(
            [
                "prometheus",
                f"--config.file={config}",
                f"--storage.tsdb.path={where / 'data'}",
                f"--web.listen-address={address}",
            ]
        )
        stack.callback(program.end)
        program.wait_for("Server is ready")
        _until(address, 'up{job="wormhole-server"} == 1')
        yield address


def _query(address: str, expression: str) -> Any:
    query = urlencode({"query": expression})
    with urlopen(f"http://{address}/api/v1/query?{query}", timeout=SECONDS) as answer:
        return json.load(answer)["data"]["result"]


def _until(address: str, expression: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not _query(address, expression):
        assert time.monotonic() < deadline, f"{expression} does not come true"
        time.sleep(0.2)


def _metrics(server: Server) -> str:
    with urlopen(f"http://127.0.0.1:{server.metrics_port}/metrics", timeout=SECONDS) as page:
        return str(page.read().decode())


def _promtool(*arguments: str | Path) -> None:
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_rules() -> None:
    """The rules are rules, and do what their own tests say."""
    _promtool("check", "rules", RULES)
    _promtool("test", "rules", RULE_TESTS)


def test_every_alert_is_tested() -> None:
    """For every alert there is a test in which it fires."""
    fired = set(re.findall(r'alertname="(\w+)"', RULE_TESTS.read_text()))
    assert fired == set(ALERTS)
    assert len(ALERTS) == len(set(ALERTS)) > 20


def test_every_alert_has_a_runbook() -> None:
    """Every alert leads to a section of its own, every section is about an alert, in one order."""
    sections = re.findall(r"(?m)^### (.+)$", (ROOT / "docs" / "alerts.md").read_text())
    assert sections == ALERTS
    anchors = re.findall(r"(?m)^ +runbook_url: docs/alerts\.md#(.*)$", RULES.read_text())
    assert anchors == [alert.lower() for alert in ALERTS]


def test_severities() -> None:
    """The runbook says of each alert how bad it is, as the rule does."""
    rules = re.findall(
        r"- alert: (\w+)$.*?severity: (\w+)", RULES.read_text(), re.MULTILINE | re.DOTALL
    )
    runbook = re.findall(r"(?m)^### (\w+)\n\*(\w+)\.\*", (ROOT / "docs" / "alerts.md").read_text())
    assert [(alert, word.lower()) for alert, word in runbook] == rules


def test_series_exist(server: Server) -> None:
    """Every series that rules and dashboard name is there from the start, and every value of a label."""
    page = _metrics(server)
    kinds = dict(re.findall(r"(?m)^# TYPE (\w+) (\w+)$", page))
    there = set(kinds)
    for name, kind in kinds.items():
        if kind == "histogram":
            there |= {f"{name}_bucket", f"{name}_sum", f"{name}_count"}
    asked = "\n".join([RULES.read_text(), *_expressions()])
    named = set(re.findall(r"\bwormhole_\w+", asked))
    assert named - there == set()
    assert len(named) > 40
    for label, values in re.findall(r'(mood|kind|reason|outcome|state)[!=]~?"([^"]+)"', asked):
        for value in values.split("|"):
            assert f'{label}="{value}"' in page, (label, value)


def test_everything_is_shown(server: Server) -> None:
    """There is no series of ours that the dashboard leaves out, but for two that others stand for."""
    kinds = re.findall(r"(?m)^# TYPE (wormhole_\w+) \w+$", _metrics(server))
    shown = "\n".join(_expressions())
    assert {name for name in kinds if name not in shown} == {
        "wormhole_process_virtual_memory_bytes",
        "wormhole_process_info",
        "wormhole_configuration_loaded_timestamp_seconds",
    }


def test_dashboard() -> None:
    """Panels have ids of their own and places of their own, a title, a unit and a word of explanation."""
    panels = _panels()
    assert [panel["title"] for panel in _panels("row")] == ROWS
    ids = [panel["id"] for panel in panels]
    assert len(ids) == len(set(ids))
    taken: dict[tuple[int, int], str] = {}
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in taken, (panel["title"], taken[x, y])
                taken[x, y] = panel["title"]
        if panel["type"] != "row":
            assert panel["description"].endswith("."), panel["title"]
            assert panel["fieldConfig"]["defaults"]["unit"]
            assert panel["datasource"]["uid"] == "${datasource}"
            refs = [target["refId"] for target in panel["targets"]]
            assert len(refs) == len(set(refs)) > 0
    variables = {each["name"]: each["type"] for each in DASHBOARD["templating"]["list"]}
    assert variables == {"datasource": "datasource", "instance": "query"}


def test_loaded(prometheus: str) -> None:
    """A real Prometheus takes the rules, and evaluates each."""
    deadline = time.monotonic() + SECONDS
    while True:
        with urlopen(f"http://{prometheus}/api/v1/rules", timeout=SECONDS) as answer:
            groups = json.load(answer)["data"]["groups"]
        rules = {rule["name"]: rule["health"] for group in groups for rule in group["rules"]}
        if "unknown" not in rules.values():
            break
        assert time.monotonic() < deadline, rules
        time.sleep(0.2)
    assert rules == dict.fromkeys(ALERTS, "ok")


def test_asked(prometheus: str) -> None:
    """A real Prometheus answers whatever the dashboard asks, and the server's own series are among it."""
    for expression in _expressions():
        _query(prometheus, expression)
    assert _query(prometheus, "wormhole_rendezvous_database_up")[0]["value"][1] == "1"
