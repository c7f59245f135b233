"""
The example for Kubernetes: valid to its schemas, consistent in itself, and with settings that there are.
"""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

from tests.project.markdown import ROOT

# PyYAML's documents are whatever stands there.
Resource = dict[str, Any]

RESOURCES: list[Resource] = list(
    yaml.safe_load_all((ROOT / "deploy/kubernetes/wormhole.yaml").read_text())
)


def _of(kind: str) -> dict[str, Resource]:
    return {each["metadata"]["name"]: each for each in RESOURCES if each["kind"] == kind}


def _validate(resource: Resource) -> None:
    version = kubernetes_validate.latest_version()
    kubernetes_validate.validate(resource, version, strict=True)


def _pod(deployment: Resource) -> Resource:
    spec: Resource = deployment["spec"]["template"]["spec"]
    return spec


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda each: each["metadata"]["name"])
def test_schemas(resource: Resource) -> None:
    """Each resource is valid, and has no field that Kubernetes does not know."""
    _validate(resource)


def test_schemas_are_strict() -> None:
    """A misspelled field is found."""
    wrong = copy.deepcopy(_of("Deployment")["wormhole-relay"])
    _pod(wrong)["terminationGracePeriodSecond"] = 60
    with pytest.raises(kubernetes_validate.ValidationError):
        _validate(wrong)


def test_selectors() -> None:
    """Whatever selects pods selects those of one deployment, and its ports are theirs."""
    pods = {name: each["spec"]["template"] for name, each in _of("Deployment").items()}
    labels = {json.dumps(pod["metadata"]["labels"]): pod for pod in pods.values()}
    assert len(labels) == 2
    for deployment in _of("Deployment").values():
        template = deployment["spec"]["template"]
        assert deployment["spec"]["selector"]["matchLabels"] == template["metadata"]["labels"]
    for budget in _of("PodDisruptionBudget").values():
        assert json.dumps(budget["spec"]["selector"]["matchLabels"]) in labels
    for service in _of("Service").values():
        pod = labels[json.dumps(service["spec"]["selector"])]
        known = {port["name"] for port in pod["spec"]["containers"][0]["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= known
    [ingress] = _of("Ingress").values()
    for path in ingress["spec"]["rules"][0]["http"]["paths"]:
        backend = path["backend"]["service"]
        ports = _of("Service")[backend["name"]]["spec"]["ports"]
        assert backend["port"]["name"] in {port["name"] for port in ports}


def test_pods() -> None:
    """Both kinds of pods are alike, except for what they serve."""
    rendezvous, relay = (copy.deepcopy(_pod(each)) for each in _of("Deployment").values())
    del rendezvous["topologySpreadConstraints"]
    for pod in (rendezvous, relay):
        for name in ("args", "ports"):
            del pod["containers"][0][name]
    assert rendezvous == relay


@pytest.mark.parametrize("name", _of("Deployment"))
def test_settings(name: str) -> None:
    """The server accepts the settings, and stops within the time that it is given."""
    pod = _pod(_of("Deployment")[name])
    [container] = pod["containers"]
    settings = _of("ConfigMap")["wormhole-settings"]["data"]
    url = _of("Secret")["wormhole-database"]["stringData"]["url"]
    run, *flags = container["args"]
    assert run == "run"
    checked = subprocess.run(
        [sys.executable, "-m", "wormhole_server", "config", "check", *flags],
        env={**os.environ, **settings, "WORMHOLE_SERVER_DATABASE": url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    delay = int(settings["WORMHOLE_SERVER_SHUTDOWN_DELAY"].removesuffix("s"))
    # The defaults of --shutdown-timeout and --shutdown-spread, and five seconds at the end.
    assert delay + 30 + 5 + 5 <= pod["terminationGracePeriodSeconds"]


def test_image() -> None:
    """It is the image that the compose file names."""
    for deployment in _of("Deployment").values():
        image = _pod(deployment)["containers"][0]["image"]
        assert f"${{WORMHOLE_IMAGE:-{image}}}" in (ROOT / "docker-compose.yml").read_text()
