"""What the kubelets of fakekube do with a pod, and what its process gets and hears."""

from __future__ import annotations

import base64
import sys
from typing import Any

from tests.kubernetes.fakekube.client import Cluster
from tests.kubernetes.fakekube.manifests import container, job, pod
from tests.kubernetes.test_fakekube_jobs import DEAF, HANDLES, ended, reason, started

Object = dict[str, Any]


def over(cluster: Cluster, name: str = "pod") -> Object:
    """The pod once its phase is Succeeded or Failed."""
    return cluster.wait_for(
        lambda now: next(
            (
                one
                for one in now.pods()
                if one["metadata"]["name"] == name and one["status"]["phase"] in ("Succeeded", "Failed")
            ),
            None,
        ),
        what=f"end of pod {name}",
    )


def state(found: Object, kind: str = "containerStatuses") -> Object:
    return found["status"][kind][0]["state"]


def waiting(cluster: Cluster, why: str) -> Object:
    """The pod once its container waits for this reason."""
    return cluster.wait_for(
        lambda now: next(
            (
                one
                for one in now.pods()
                if one["status"].get("containerStatuses") and state(one).get("waiting", {}).get("reason") == why
            ),
            None,
        ),
        what=why,
    )


def test_sigterm_reaches_the_process_which_may_end_in_its_own_time(fakekube: Cluster) -> None:
    fakekube.create(pod(HANDLES))
    found = started(fakekube)
    with fakekube.stream(found) as lines:
        assert next(lines) == "ready"
        fakekube.delete("pods/pod")
        assert list(lines) == ["asked to end"]
    fakekube.wait_for(lambda now: not now.pods(), what="the pod to go")


def test_a_process_that_does_not_listen_is_killed_when_the_grace_is_over(fakekube: Cluster) -> None:
    fakekube.create(job(DEAF, spec={"podReplacementPolicy": "Failed"}, template={"terminationGracePeriodSeconds": 1}))
    found = started(fakekube)
    fakekube.evict(found)
    done = ended(fakekube)
    assert reason(done) == "BackoffLimitExceeded" and not fakekube.processes(found)


def test_the_first_process_of_a_container_without_a_handler_does_not_notice_sigterm(fakekube: Cluster) -> None:
    fakekube.create(job("echo ready; sleep 600", spec={"podReplacementPolicy": "Failed"},
                        template={"terminationGracePeriodSeconds": 1}))  # fmt: skip
    found = started(fakekube)
    fakekube.evict(found)
    ended(fakekube)
    assert not fakekube.processes(found)


def test_a_killed_process_ends_with_137(fakekube: Cluster) -> None:
    fakekube.create(pod(HANDLES))
    fakekube.kill(started(fakekube))
    ended_pod = over(fakekube)
    assert state(ended_pod)["terminated"]["exitCode"] == 137
    assert state(ended_pod)["terminated"]["reason"] == "Error"


def test_processes_in_groups_of_their_own_die_with_their_pod(fakekube: Cluster) -> None:
    fakekube.create(pod("setsid sh -c 'echo ready; sleep 600' & sleep 600 & wait"))
    found = started(fakekube)
    assert len(fakekube.processes(found)) >= 3
    fakekube.kill(found)
    over(fakekube)
    assert not fakekube.processes(found)


def test_what_the_first_process_leaves_behind_dies_with_it(fakekube: Cluster) -> None:
    fakekube.create(pod("setsid sleep 600 & echo done"))
    found = over(fakekube)
    assert found["status"]["phase"] == "Succeeded" and not fakekube.processes(found)


def test_a_container_above_its_memory_limit_is_killed(fakekube: Cluster) -> None:
    words = [sys.executable, "-c", "import time; held = bytearray(200 * 2**20); time.sleep(600)"]
    fakekube.create(pod("", command=words, resources={"limits": {"memory": "100Mi"}}))
    assert state(over(fakekube))["terminated"]["reason"] == "OOMKilled"


def test_out_of_memory_can_be_had_at_once(fakekube: Cluster) -> None:
    fakekube.create(pod(HANDLES))
    fakekube.oom(started(fakekube))
    end = state(over(fakekube))["terminated"]
    assert (end["exitCode"], end["reason"]) == (137, "OOMKilled")


def test_an_image_that_is_not_there_keeps_the_pod_pending(fakekube: Cluster) -> None:
    fakekube.create(job("true", image="mg-dw:missing", spec={"activeDeadlineSeconds": 3600}))
    found = waiting(fakekube, "ImagePullBackOff")
    assert found["status"]["phase"] == "Pending"
    assert any("not found" in one["message"] for one in fakekube.events() if one["reason"] == "Failed")
    fakekube.delete("jobs/job")
    fakekube.wait_for(lambda now: not now.pods(), what="the pod to go")


def test_a_pod_that_fits_no_node_is_not_scheduled(fakekube: Cluster) -> None:
    fakekube.create(pod("true", spec={"nodeSelector": {"disk": "golden"}}))
    [event] = fakekube.wait_for(lambda now: [one for one in now.events() if one["reason"] == "FailedScheduling"])
    assert "didn't match" in event["message"]
    [found] = fakekube.pods()
    assert found["status"]["conditions"][0]["reason"] == "Unschedulable"
    fakekube.create(pod("true", name="spot", spec={"nodeSelector": {"cloud.google.com/gke-spot": "true"}}))
    assert over(fakekube, "spot")["spec"]["nodeName"] == "spot-1"


def test_a_program_that_is_not_there_is_a_start_error(fakekube: Cluster) -> None:
    fakekube.create(pod("", command=["no-such-program"]))
    end = state(over(fakekube))["terminated"]
    assert (end["exitCode"], end["reason"]) == (128, "StartError")
    assert "no-such-program" in end["message"]


def test_a_process_gets_its_variables_from_everywhere_and_nothing_else(fakekube: Cluster) -> None:
    encoded = base64.b64encode(b"s3cret").decode()
    fakekube.create(config("settings", {"MODE": "from the map", "EXTRA": "map"}))
    fakekube.create({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"},
                     "data": {"MODE": base64.b64encode(b"from the secret").decode(), "token": encoded}})  # fmt: skip
    variables = [
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "token"}}},
        {"name": "NONE", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "none", "optional": True}}},
        {"name": "WHO", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "MIB", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
        {"name": "GREETING", "value": "$(WHO) has $(EXTRA), not $$(EXTRA)"},
    ]
    fakekube.create(pod("env | sort", env=variables, resources={"limits": {"memory": "1Gi"}},
                        envFrom=[{"configMapRef": {"name": "settings"}}, {"secretRef": {"name": "keys"}}]))  # fmt: skip
    lines = fakekube.logs(over(fakekube)).splitlines()
    got = {one.partition("=")[0]: one.partition("=")[2] for one in lines}
    assert (got["MODE"], got["EXTRA"], got["TOKEN"]) == ("from the secret", "map", "s3cret")
    assert (got["WHO"], got["MIB"]) == ("pod", "1024")
    assert got["GREETING"] == "pod has map, not $(EXTRA)"
    assert "NONE" not in got and not {name for name in got if name.startswith(("PYTEST", "PREFECT", "MGDW"))}


def test_a_missing_secret_keeps_the_container_waiting_until_it_is_there(fakekube: Cluster) -> None:
    fakekube.create(
        pod("echo $KEY", env=[{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "late", "key": "k"}}}])
    )
    found = waiting(fakekube, "CreateContainerConfigError")
    assert state(found)["waiting"]["message"] == 'secret "late" not found'
    fakekube.create({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "late"}, "stringData": {"k": "here"}})
    assert fakekube.logs(over(fakekube)) == "here\n"


def test_volumes_are_folders_that_variables_and_words_point_into(fakekube: Cluster) -> None:
    fakekube.create(config("files", {"settings.ini": "mode = fast\n"}))
    volumes = [{"name": "scratch", "emptyDir": {}}, {"name": "files", "configMap": {"name": "files"}}]
    mounts = [{"name": "scratch", "mountPath": "/scratch"}, {"name": "files", "mountPath": "/etc/mg-dw"}]
    words = ["sh", "-c", 'cp "$1" "$OUT"; cat "$OUT"', "sh", "/etc/mg-dw/settings.ini"]
    where = [{"name": "OUT", "value": "/scratch/out"}]
    fakekube.create(pod("", spec={"volumes": volumes}, volumeMounts=mounts, env=where, command=words))
    assert fakekube.logs(over(fakekube)) == "mode = fast\n"


def test_init_containers_run_before_and_their_failure_ends_the_pod(fakekube: Cluster) -> None:
    volumes = {"volumes": [{"name": "x", "emptyDir": {}}]}
    mounts = [{"name": "x", "mountPath": "/x"}]
    where = [{"name": "X", "value": "/x/file"}]
    first = {**container("echo made > $X", env=where, volumeMounts=mounts), "name": "first"}
    fakekube.create(pod("cat $X", spec={**volumes, "initContainers": [first]}, env=where, volumeMounts=mounts))
    assert fakekube.logs(over(fakekube)) == "made\n"
    broken = {**container("exit 5"), "name": "first"}
    fakekube.create(pod("echo never", name="broken", spec={"initContainers": [broken]}))
    found = over(fakekube, "broken")
    assert found["status"]["phase"] == "Failed"
    assert state(found, "initContainerStatuses")["terminated"]["exitCode"] == 5
    assert "waiting" in state(found)


def test_a_container_that_is_restarted_keeps_the_log_of_the_run_before(fakekube: Cluster) -> None:
    mark = str(fakekube.data / "restarted")
    script = '[ -e "$MARK" ] && { echo second; exit 0; }; touch "$MARK"; echo first; exit 1'
    fakekube.create(pod(script, spec={"restartPolicy": "OnFailure"}, env=[{"name": "MARK", "value": mark}]))
    found = over(fakekube)
    assert found["status"]["containerStatuses"][0]["restartCount"] == 1
    assert fakekube.logs(found) == "second\n"
    path = f"/api/v1/namespaces/{fakekube.namespace}/pods/pod/log"
    assert fakekube.request("GET", f"{path}?previous=true").text == "first\n"


def test_a_log_can_be_had_by_its_tail_and_not_before_there_is_one(fakekube: Cluster) -> None:
    fakekube.create(pod("seq 100"))
    over(fakekube)
    path = f"/api/v1/namespaces/{fakekube.namespace}/pods"
    assert fakekube.request("GET", f"{path}/pod/log?tailLines=2").text == "99\n100\n"
    fakekube.create(pod("true", name="other", image="mg-dw:missing"))
    waiting(fakekube, "ImagePullBackOff")
    answer = fakekube.request("GET", f"{path}/other/log")
    assert answer.status_code == 400 and "is waiting to start" in answer.json()["message"]


def test_a_node_that_is_lost_takes_its_processes_along_and_nobody_says_so(fakekube: Cluster) -> None:
    node = "spot-1"
    selector = {"cloud.google.com/gke-spot": "true"}
    fakekube.create(job(HANDLES, template={"nodeSelector": selector}))
    found = started(fakekube)
    fakekube.lose_node(node)
    assert not fakekube.processes(found)
    assert fakekube.pods()[0]["status"]["phase"] == "Running", "the last thing that was heard"
    fakekube.node_unreachable(node)
    conditions = {one["type"]: one for one in fakekube.pods()[0]["status"]["conditions"]}
    assert conditions["Ready"]["reason"] == "NodeNotReady" and "failed" not in fakekube.jobs()[0]["status"]
    fakekube.evict_unreachable(node)
    assert "deletionTimestamp" in fakekube.pods()[0]["metadata"]
    fakekube.remove_node(node)
    assert reason(ended(fakekube)) == "BackoffLimitExceeded"
    assert not fakekube.pods()
    fakekube.restore_node(node)
    fakekube.create(pod("true", name="again", spec={"nodeSelector": selector}))
    over(fakekube, "again")


def test_a_node_that_is_switched_off_lets_its_pods_end_and_they_have_failed(fakekube: Cluster) -> None:
    selector = {"cloud.google.com/gke-spot": "true"}
    fakekube.create(job(HANDLES, spec={"podReplacementPolicy": "Failed"}, template={"nodeSelector": selector}))
    found = started(fakekube)
    fakekube.shut_down_node("spot-1", grace=600)
    assert reason(ended(fakekube)) == "BackoffLimitExceeded"
    [found] = fakekube.pods()
    assert (found["status"]["phase"], found["status"]["reason"]) == ("Failed", "Terminated")
    assert state(found)["terminated"]["exitCode"] == 0, "its process had the time to end well"
    fakekube.restore_node("spot-1")


def config(name: str, data: dict[str, str]) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}
