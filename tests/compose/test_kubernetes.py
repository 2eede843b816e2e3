"""The Helm chart: Helm takes it, and Kubernetes would take what it makes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import kubernetes_validate
import pytest
import yaml

from holdfast import config
from tests.clients.programs import Program, need
from tests.compose.ingredients import ROOT

if TYPE_CHECKING:
    from pathlib import Path

CHART = ROOT / "compose" / "kubernetes" / "holdfast"
VERSIONS = ("1.25", "1.31", "1.35")
pytestmark = pytest.mark.clients

# A list is given as a whole.
OTHERS = "--set-json=zones=" + json.dumps(
    [{"name": name, "nodes": 2, "topology": f"eu-1{name}", "secret": f"s-{name}"} for name in "abc"]
)
Objects = dict[tuple[str, str], dict[str, Any]]


@pytest.fixture
def helm(tmp_path: Path) -> Program:
    homes = {f"HELM_{name}_HOME": str(tmp_path / name) for name in ("CACHE", "CONFIG", "DATA")}
    return Program(need("helm"), homes)


def rendered(helm: Program, *words: str, version: str = "1.31") -> Objects:
    text = helm("template", "reg", str(CHART), "--namespace=images", f"--kube-version={version}.0", *words)
    found = [one for one in yaml.safe_load_all(text) if one]
    return {(one["kind"], one["metadata"]["name"]): one for one in found}


def pods(objects: Objects) -> dict[str, dict[str, Any]]:
    return {
        f"{kind}/{name}": one["spec"]["template"]["spec"]
        for (kind, name), one in objects.items()
        if "template" in one.get("spec", {})
    }


def test_helm_finds_nothing_to_complain_about(helm: Program) -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", "--kube-version=1.31.0", str(CHART))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--set=etcd.secret=etcd-client,storage.class=fast,image.pullSecrets[0].name=x", OTHERS),
        ("--set=networkPolicies=false,gateways.service.type=LoadBalancer,gateways.service.annotations.a=b",),
    ],
    ids=["as it is", "with all that is optional", "open"],
)
def test_kubernetes_would_take_every_object(helm: Program, version: str, words: tuple[str, ...]) -> None:
    objects = rendered(helm, *words, version=version)
    for one in objects.values():
        kubernetes_validate.validate(one, version, strict=True)
    assert len(objects) >= 9


def test_no_container_is_root_or_may_write_to_its_root_or_call_the_api(helm: Program) -> None:
    found = pods(rendered(helm))
    assert set(found) == {
        "Deployment/reg-gateway",
        "Job/reg-layout-1",
        "StatefulSet/reg-store-a",
        "StatefulSet/reg-store-b",
    }
    for pod in found.values():
        assert pod["automountServiceAccountToken"] is False
        assert (pod["securityContext"]["runAsNonRoot"], pod["securityContext"]["runAsUser"]) == (True, 10001)
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert set(container["resources"]) == {"requests", "limits"}


def test_every_process_has_the_certificate_of_its_role_by_reference(helm: Program) -> None:
    shown = {
        name: next(volume["secret"]["secretName"] for volume in pod["volumes"] if volume["name"] == "tls")
        for name, pod in pods(rendered(helm)).items()
    }
    assert shown == {
        "Deployment/reg-gateway": "holdfast-gateway",
        "Job/reg-layout-1": "holdfast-layout",
        "StatefulSet/reg-store-a": "holdfast-store-a",
        "StatefulSet/reg-store-b": "holdfast-store-b",
    }
    assert not [kind for kind, _ in rendered(helm) if kind == "Secret"]


def test_long_work_is_probed_and_ends_in_time(helm: Program) -> None:
    for name, pod in pods(rendered(helm)).items():
        if not name.startswith("Job/"):
            assert {"startupProbe", "readinessProbe", "livenessProbe"} < set(pod["containers"][0])
            assert pod["terminationGracePeriodSeconds"] == 60


@pytest.mark.parametrize("words", [(), ("--set=etcd.secret=etcd-client",)], ids=["our authority", "another authority"])
def test_the_configuration_has_no_fault_with_what_the_nodes_add(
    helm: Program, tmp_path: Path, words: tuple[str, ...]
) -> None:
    objects = rendered(helm, *words)
    path = tmp_path / "config.yaml"
    path.write_text(objects["ConfigMap", "reg-config"]["data"]["config.yaml"], encoding="utf-8")
    options = pods(objects)["StatefulSet/reg-store-b"]["containers"][0]["args"][2:]
    given = {key.removeprefix("--"): value for key, _, value in (option.partition("=") for option in options)}
    assert given["advertise"] == "$(POD_NAME).reg-nodes.images.svc:5100"
    report = config.check(path, {"cluster": {"node": given | {"advertise": "reg-store-b-0.reg-nodes.images.svc:5100"}}})
    assert (report.faults, report.warnings) == ((), ())
    assert report.settings is not None
    assert report.settings.cluster is not None
    mounted = {mount["mountPath"] for mount in pods(objects)["Deployment/reg-gateway"]["containers"][0]["volumeMounts"]}
    assert report.settings.cluster.etcd is not None
    assert report.settings.cluster.etcd.ca_file.rpartition("/")[0] in mounted


def test_with_a_certificate_for_clients_the_gateways_speak_https_and_are_probed_so(
    helm: Program, tmp_path: Path
) -> None:
    words = "--set=gateways.https.secret=public,gateways.https.clientAuthority=true"
    for version in VERSIONS:
        objects = rendered(helm, words, version=version)
        for one in objects.values():
            kubernetes_validate.validate(one, version, strict=True)
    pod = pods(objects)["Deployment/reg-gateway"]
    (container,) = pod["containers"]
    assert {container[f"{probe}Probe"]["httpGet"]["scheme"] for probe in ("startup", "readiness", "liveness")} == {
        "HTTPS"
    }
    assert {"name": "https", "mountPath": "/etc/holdfast/https", "readOnly": True} in container["volumeMounts"]
    assert [one["secret"]["secretName"] for one in pod["volumes"] if one["name"] == "https"] == ["public"]
    path = tmp_path / "config.yaml"
    path.write_text(objects["ConfigMap", "reg-config"]["data"]["config.yaml"], encoding="utf-8")
    tls = config.load(path).http.tls
    assert tls is not None
    assert {tls.cert, tls.key, tls.ca_cert} == {
        f"/etc/holdfast/https/{name}" for name in ("tls.crt", "tls.key", "ca.crt")
    }


def test_the_layout_waits_for_the_nodes_of_all_zones(helm: Program) -> None:
    (container,) = pods(rendered(helm, OTHERS))["Job/reg-layout-1"]["containers"]
    assert "--nodes=6" in container["args"]


def test_a_zone_without_a_name_is_refused(helm: Program) -> None:
    refused = helm.try_("template", "reg", str(CHART), "--kube-version=1.31.0", "--set=zones[0].nodes=3")
    assert (refused.code, "zones[].name" in refused.err) == (1, True)
