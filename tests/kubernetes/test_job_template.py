"""The base job template: what it is made from, what the server refuses, and the Job that a run becomes."""

from __future__ import annotations

import json
import runpy
from collections.abc import Iterator
from functools import cache
from typing import Any
from uuid import uuid4

import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import Flow, FlowRun
from prefect.exceptions import PrefectHTTPStatusError
from prefect.testing.utilities import prefect_test_harness
from prefect_kubernetes.worker import KubernetesWorker, KubernetesWorkerJobConfiguration

from tests.kubernetes import safety
from tests.kubernetes.manifests import IMAGE, K8S, ROOT, Manifests, Pod, schema_errors
from tests.kubernetes.wiring import job_variables

TEMPLATE = json.loads((K8S / "work-pool" / "base-job-template.json").read_text())
DEPLOYMENTS = [d["name"] for d in yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]]


@pytest.fixture(scope="module", autouse=True)
def prefect() -> Iterator[None]:
    with prefect_test_harness(server_startup_timeout=120):
        yield


@cache
def production() -> Manifests:
    return Manifests.built("production")


async def rendered(variables: dict[str, Any]) -> dict[str, Any]:
    """The Job that the worker would create of a run, without its two remarks that Kubernetes does not know."""
    configuration = await KubernetesWorkerJobConfiguration.from_template_and_values(
        TEMPLATE, {"image": IMAGE, **variables}
    )
    flow = Flow(name="salesforce")
    configuration.prepare_for_flow_run(FlowRun(flow_id=uuid4(), name="blue fox"), flow=flow, worker_name="worker")
    job = configuration.job_manifest
    for remark in ("parallelism", "completions"):
        del job["spec"]["template"]["spec"][remark]
    return job


def test_the_file_is_what_the_installed_prefect_s_own_template_becomes() -> None:
    derived = runpy.run_path(str(K8S / "work-pool" / "derive.py"))
    assert (K8S / "work-pool" / "base-job-template.json").read_text() == derived["text"]()


def test_every_variable_of_prefect_s_own_template_is_taken_over_or_left_out_on_purpose() -> None:
    own = set(KubernetesWorker.get_default_base_job_template()["variables"]["properties"])
    left_out = {"cluster_config", "cpu_limit", "cpu_request", "memory_limit", "memory_request"}
    assert own - set(TEMPLATE["variables"]["properties"]) == left_out


def test_every_variable_is_used() -> None:
    body = json.dumps(TEMPLATE["job_configuration"])
    assert [name for name in TEMPLATE["variables"]["properties"] if f"{{{{ {name} }}}}" not in body] == []


@pytest.mark.parametrize("deployment", DEPLOYMENTS)
async def test_the_job_of_a_deployment_is_restricted_and_limited_and_known_to_kubernetes(deployment: str) -> None:
    job = await rendered({k: v for k, v in job_variables()[deployment].items() if k != "image"})
    pod = Pod.of(job)
    assert safety.pod_problems(pod) == []
    assert safety.pod_unlimited(pod) == []
    assert schema_errors((job,), "1.36") == []
    assert pod.spec["automountServiceAccountToken"] is False
    assert pod.spec["serviceAccountName"] in production().of("ServiceAccount")
    assert job["spec"]["backoffLimit"] == 0
    assert job["spec"]["podReplacementPolicy"] == "Failed"
    assert job["spec"]["activeDeadlineSeconds"] == job_variables()[deployment]["active_deadline_seconds"]
    assert job["metadata"]["namespace"] == "mg-dw"


async def test_policies_know_the_pod_of_a_run_whatever_labels_prefect_and_a_deployment_add() -> None:
    job = await rendered({"labels": {"team": "data", "app.kubernetes.io/component": "flow-run"}})
    plain = await rendered({})
    for labels in (Pod.of(job).labels, Pod.of(plain).labels):
        assert safety.egress(production(), labels) == safety.REACH["flow-run"]
    assert Pod.of(plain).labels["app.kubernetes.io/part-of"] == "mg-dw"


async def test_a_run_s_environment_starts_from_the_config_map_of_the_namespace() -> None:
    (container,) = Pod.of(await rendered({"env": {"MGDW_LAKE": "gs://other"}})).containers
    (source,) = container["envFrom"]
    assert source["configMapRef"]["name"] in production().of("ConfigMap")
    assert {"name": "MGDW_LAKE", "value": "gs://other"} in container["env"]


async def test_an_evicted_run_is_run_again_by_prefect() -> None:
    (container,) = Pod.of(await rendered({})).containers
    assert {"name": "PREFECT_FLOW_RUN_EXECUTE_SIGTERM_BEHAVIOR", "value": "reschedule"} in container["env"]


async def test_spot_is_asked_for_with_two_variables() -> None:
    spot = {"cloud.google.com/gke-spot": "true"}
    job = await rendered({"node_selector": spot, "safe_to_evict": "true", "termination_grace_period_seconds": 25})
    template = job["spec"]["template"]
    assert template["spec"]["nodeSelector"] == spot
    assert template["spec"]["terminationGracePeriodSeconds"] == 25
    assert template["metadata"]["annotations"] == {"cluster-autoscaler.kubernetes.io/safe-to-evict": "true"}


async def test_what_is_not_said_stays_until_it_has_ended() -> None:
    job = await rendered({})
    assert job["spec"]["template"]["metadata"]["annotations"] == {
        "cluster-autoscaler.kubernetes.io/safe-to-evict": "false"
    }
    assert job["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 60
    assert job["spec"]["ttlSecondsAfterFinished"] == 86400


@pytest.mark.parametrize(
    "variables",
    [
        {"memory_request": "2Gi"},
        {"memry": "2Gi"},
        {"memory": "2GB"},
        {"memory": 2},
        {"cpu": 1},
        {"active_deadline_seconds": 0},
        {"active_deadline_seconds": 100_000},
        {"service_account_name": "prefect-worker"},
        {"safe_to_evict": True},
        {"node_selector": {"spot": True}},
        {"backoff_limit": -1},
        {"cluster_config": {"config": {}, "context_name": "other"}},
    ],
    ids=lambda variables: next(iter(variables)),
)
async def test_the_server_refuses_a_deployment_with_variables_that_mean_nothing(variables: dict[str, Any]) -> None:
    with pytest.raises(PrefectHTTPStatusError, match="422"):
        await deployed({"image": IMAGE, **variables})


async def test_the_server_refuses_a_run_without_an_image() -> None:
    deployment = await deployed({"cpu": "1"})
    async with get_client() as client:
        with pytest.raises(PrefectHTTPStatusError, match="422") as refused:
            await client.create_flow_run_from_deployment(deployment)
    assert "'image' is a required property" in refused.value.response.text


async def test_the_server_takes_a_run_of_each_deployment_as_prefect_yaml_has_it() -> None:
    for name in DEPLOYMENTS:
        deployment = await deployed({**job_variables()[name], "image": IMAGE}, name)
        async with get_client() as client:
            assert (await client.create_flow_run_from_deployment(deployment)).state


async def deployed(variables: dict[str, Any], name: str = "one") -> Any:
    """A deployment on the work pool, as the server keeps it; its id."""
    async with get_client() as client:
        pool = WorkPoolCreate(name="mg-dw", type="kubernetes", base_job_template=TEMPLATE)
        await client.create_work_pool(pool, overwrite=True)
        flow = await client.create_flow_from_name(f"flow-{name}")
        return await client.create_deployment(flow, name, work_pool_name="mg-dw", job_variables=variables)
