"""The files that other systems read, held against their schemas and tools, and against what the service really is."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from config import settings, store_urls
from config.version import VERSION
from dev.procfile import read_procfile
from tests.support.service import ROOT
from tests.unit.test_compose import documented

yaml: Any = pytest.importorskip("yaml")

PROCESSES = read_procfile(ROOT / "Procfile")
SECRETS = {"DATABASE_URL", "REDIS_URL", "SECRET_KEY", "SECRET_KEYS_RETIRED", "SIGNING_KEY", "METRICS_TOKEN"}


@pytest.mark.parametrize(
    ("schema", "file"),
    [
        ("vendor.github-workflows", ".github/workflows/ci.yml"),
        ("custom.github-workflows-require-timeout", ".github/workflows/ci.yml"),
        ("vendor.dependabot", ".github/dependabot.yml"),
        ("vendor.compose-spec", "docker-compose.yml"),
    ],
)
def test_file_fits_its_schema(schema: str, file: str) -> None:
    command = [str(Path(sys.executable).with_name("check-jsonschema")), "--builtin-schema", schema, str(ROOT / file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_workflow_runs_what_ci_runs_and_publishes_tags_alone() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    jobs = workflow["jobs"]
    assert jobs["test"]["steps"][-1] == {"run": ".ci/run"}
    assert jobs["publish"]["if"].startswith("startsWith(github.ref, 'refs/tags/v')")
    assert set(jobs["publish"]["needs"]) == {"test", "image"}
    assert workflow["permissions"] == {"contents": "read"}


@pytest.fixture(scope="module")
def built() -> list[dict[str, Any]]:
    """Build deploy/kubernetes, as `kubectl apply -k` does."""
    if not shutil.which("kubectl"):
        if os.environ.get("CI") == "true":
            pytest.fail("kubectl is missing: apt install kubernetes-client")
        pytest.skip("no kubectl here: apt install kubernetes-client")
    command = ["kubectl", "kustomize", str(ROOT / "deploy/kubernetes")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return list(yaml.safe_load_all(done.stdout))


def pods(built: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return what each pod is for, and its specification."""
    for it in built:
        if it["kind"] in ("Deployment", "Job"):
            yield it["metadata"]["labels"]["app.kubernetes.io/component"], it["spec"]["template"]["spec"]


def of_kind(built: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    found = [it for it in built if it["kind"] == kind]
    return {it["metadata"]["labels"]["app.kubernetes.io/component"]: it for it in found}


@pytest.mark.parametrize("version", ["1.30", "1.34", "1.37"])
def test_kubernetes_takes_each_object(built: list[dict[str, Any]], version: str) -> None:
    for it in built:
        kubernetes_validate.validate(it, version, strict=True)


def test_kubernetes_runs_every_process_as_the_procfile_does(built: list[dict[str, Any]]) -> None:
    commands = {part: pod["containers"][0]["command"] for part, pod in pods(built)}
    assert {part: " ".join(command) for part, command in commands.items()} == PROCESSES
    deployments = of_kind(built, "Deployment")
    assert deployments["beat"]["spec"]["replicas"] == 1
    assert deployments["beat"]["spec"]["strategy"] == {"type": "Recreate"}
    assert "replicas" not in deployments["web"]["spec"]  # the autoscaler's
    (scaler,) = of_kind(built, "HorizontalPodAutoscaler").values()
    assert scaler["spec"]["scaleTargetRef"]["name"] == deployments["web"]["metadata"]["name"]
    assert scaler["spec"]["minReplicas"] >= 2
    assert scaler["spec"]["metrics"][0]["resource"]["name"] == "cpu"
    budgets = of_kind(built, "PodDisruptionBudget")
    assert set(budgets) == {"web", "worker"}
    for part, it in [*budgets.items(), *of_kind(built, "Service").items()]:
        selector = it["spec"]["selector"].get("matchLabels", it["spec"]["selector"])
        assert selector == deployments[part]["spec"]["template"]["metadata"]["labels"]


def test_kubernetes_pods_have_no_rights_and_no_place_to_write_but_tmp(built: list[dict[str, Any]]) -> None:
    for part, pod in pods(built):
        assert pod["securityContext"]["runAsNonRoot"], part
        assert f"--uid {pod['securityContext']['runAsUser']} " in (ROOT / "Dockerfile").read_text()
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
        for it in [*pod.get("initContainers", []), *pod["containers"]]:
            assert it["image"].endswith(f"/scoreboard:{VERSION}")
            assert it["securityContext"] == {
                "readOnlyRootFilesystem": True,
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
            }
            assert it["volumeMounts"] == [{"name": "tmp", "mountPath": "/tmp"}]
            assert {"cpu", "memory"} <= it["resources"]["requests"].keys()
            assert "memory" in it["resources"]["limits"]


def test_kubernetes_takes_secrets_by_reference_alone(built: list[dict[str, Any]]) -> None:
    (configmap,) = (it for it in built if it["kind"] == "ConfigMap")
    assert not SECRETS & configmap["data"].keys()
    assert configmap["data"].keys() <= documented()
    assert not [it for it in built if it["kind"] == "Secret"]
    for _, pod in pods(built):
        for it in [*pod.get("initContainers", []), *pod["containers"]]:
            assert it["envFrom"] == [
                {"configMapRef": {"name": configmap["metadata"]["name"]}},
                {"secretRef": {"name": "scoreboard"}},
            ]
            assert all("value" in one and one["name"] not in SECRETS for one in it.get("env", []))


def test_kubernetes_asks_and_stops_each_process_as_docs_say(built: list[dict[str, Any]]) -> None:
    running = dict(pods(built))
    web = running["web"]["containers"][0]
    assert web["livenessProbe"]["httpGet"]["path"] == web["startupProbe"]["httpGet"]["path"] == "/healthz"
    assert web["readinessProbe"]["httpGet"]["path"] == "/readyz"
    (_, before) = web["lifecycle"]["preStop"]["exec"]["command"]
    assert running["web"]["terminationGracePeriodSeconds"] >= int(before) + 30
    for part in ("web", "worker", "beat", "flower"):
        assert running[part]["containers"][0]["livenessProbe"]
        assert running[part]["terminationGracePeriodSeconds"] >= 30
        (first,) = running[part]["initContainers"]
        assert "python -m db.migrate --check" in first["command"][-1]


def test_heroku_app_has_the_procfiles_processes_and_settings_that_start() -> None:
    app = json.loads((ROOT / "app.json").read_text())
    assert set(app) <= {
        *("name", "description", "keywords", "website", "repository", "logo", "success_url", "scripts", "env"),
        *("formation", "addons", "buildpacks", "stack", "environments", "image"),
    }
    assert 3 <= len(app["name"]) <= 30
    assert app["formation"].keys() == PROCESSES.keys() - {"release"}
    assert app["formation"]["beat"]["quantity"] == 1
    assert all(set(it) == {"quantity", "size"} for it in app["formation"].values())
    assert [it["plan"].partition(":")[0] for it in app["addons"]] == ["heroku-postgresql", "heroku-redis"]
    for name, variable in app["env"].items():
        assert name in documented(), name
        assert set(variable) <= {"description", "value", "required", "generator"}
        assert "value" not in variable or name not in SECRETS
    given = {name: it["value"] for name, it in app["env"].items() if "value" in it}
    generated = {name: "0123456789abcdef" * 4 for name, it in app["env"].items() if it.get("generator") == "secret"}
    stores = {"DATABASE_URL": "postgresql://x/x", "REDIS_URL": "rediss://x"}
    assert settings.load({**given, **generated, **stores}).production


@pytest.mark.parametrize(
    ("url", "dyno", "becomes"),
    [
        ("rediss://h:1", "web.1", "rediss://h:1?ssl_cert_reqs=none"),
        ("rediss://h:1?ssl_cert_reqs=required", "web.1", "rediss://h:1?ssl_cert_reqs=required"),
        ("redis://h:1", "web.1", "redis://h:1"),
        ("rediss://h:1", "", "rediss://h:1"),
    ],
)
def test_profile_changes_herokus_redis_alone(url: str, dyno: str, becomes: str) -> None:
    env = {"PATH": os.environ["PATH"], "REDIS_URL": url, **({"DYNO": dyno} if dyno else {})}
    command = ["bash", "-euc", '. ./.profile && echo "$REDIS_URL"']
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert done.stdout == f"{becomes}\n"
    assert store_urls.redis_url(becomes) == becomes
