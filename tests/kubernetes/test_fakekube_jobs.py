"""What the Job controller of fakekube does with a Job whose pod ends in one way or another."""

from __future__ import annotations

from typing import Any

from tests.kubernetes.fakekube.client import Cluster
from tests.kubernetes.fakekube.manifests import job

Object = dict[str, Any]
READY = "echo ready; "
HANDLES = "trap 'echo asked to end; exit 0' TERM; echo ready; while :; do sleep 0.05; done"
"""Ends well when it gets SIGTERM."""
DEAF = "trap '' TERM; echo ready; while :; do sleep 0.05; done"


def ended(cluster: Cluster, name: str = "job", kind: str | None = None) -> Object:
    """The Job once it has the condition Complete or Failed; with `kind`, that one."""

    def look(now: Cluster) -> Object | None:
        for one in now.jobs():
            if one["metadata"]["name"] == name and conditions(one) & ({kind} if kind else {"Complete", "Failed"}):
                return one
        return None

    return cluster.wait_for(look, what=f"end of {name}")


def conditions(found: Object) -> set[str]:
    return {one["type"] for one in found["status"].get("conditions", ()) if one["status"] == "True"}


def reason(found: Object) -> str:
    return next(one["reason"] for one in found["status"]["conditions"] if one["type"] == "Failed")


def started(cluster: Cluster, text: str = "ready") -> Object:
    """The one pod, once it has written the text."""

    def look(now: Cluster) -> Object | None:
        running = [one for one in now.pods() if one["status"]["phase"] == "Running"]
        return running[0] if running else None

    pod = cluster.wait_for(look, what="a running pod")
    with cluster.stream(pod) as lines:
        assert any(text in line for line in lines)
    return pod


def test_a_pod_that_ends_well_completes_its_job(fakekube: Cluster) -> None:
    fakekube.create(job("echo hello"))
    done = ended(fakekube)
    [pod] = fakekube.pods()
    assert done["status"]["succeeded"] == 1 and "completionTime" in done["status"]
    assert fakekube.logs(pod) == "hello\n"
    assert pod["metadata"]["labels"]["job-name"] == "job"
    assert pod["status"]["containerStatuses"][0]["state"]["terminated"]["reason"] == "Completed"


def test_a_pod_that_fails_is_tried_again_until_the_limit(fakekube: Cluster) -> None:
    fakekube.create(job("exit 3", spec={"backoffLimit": 2}))
    done = ended(fakekube)
    assert reason(done) == "BackoffLimitExceeded"
    assert done["status"]["failed"] == 3
    codes = [pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] for pod in fakekube.pods()]
    assert codes == [3, 3, 3]


def test_a_second_try_may_succeed(fakekube: Cluster) -> None:
    fakekube.create(job('echo $(date +%s%N) >> "$MARK"; [ $(wc -l < "$MARK") -gt 1 ]', spec={"backoffLimit": 3},
                        env=[{"name": "MARK", "value": str(fakekube.data / "second-try")}]))  # fmt: skip
    done = ended(fakekube)
    assert "Complete" in conditions(done)
    assert (done["status"]["failed"], done["status"]["succeeded"]) == (1, 1)


def test_a_job_over_its_deadline_fails_and_its_pod_is_ended(fakekube: Cluster) -> None:
    fakekube.create(job(HANDLES, spec={"activeDeadlineSeconds": 1}))
    pod = started(fakekube)
    done = ended(fakekube)
    assert reason(done) == "DeadlineExceeded" and done["status"]["failed"] == 1
    fakekube.wait_for(lambda now: not now.pods(), what="the pod to go")
    assert not fakekube.processes(pod)


def test_a_finished_job_goes_with_its_pods_when_its_time_is_over(fakekube: Cluster) -> None:
    fakekube.create(job("true", spec={"ttlSecondsAfterFinished": 0}))
    fakekube.wait_for(lambda now: [one for one in now.events() if one["reason"] == "Completed"])
    fakekube.wait_for(lambda now: not now.jobs() and not now.pods(), what="Job and pod to go")


def test_an_evicted_pod_counts_as_failed_before_its_process_has_ended(fakekube: Cluster) -> None:
    fakekube.create(job(DEAF, template={"terminationGracePeriodSeconds": 600}))
    pod = started(fakekube)
    assert fakekube.evict(pod).status_code == 201
    failing = fakekube.wait_for(lambda now: [one for one in now.jobs() if one["status"].get("failed")])[0]
    assert fakekube.processes(pod), "it ends in its own time"
    assert "FailureTarget" in conditions(failing) and "Failed" not in conditions(failing)
    assert failing["status"]["terminating"] == 1
    fakekube.kill(pod)
    assert reason(ended(fakekube)) == "BackoffLimitExceeded"


def test_an_evicted_pod_of_a_job_that_replaces_failed_ones_only_is_counted_when_it_has_ended(fakekube: Cluster) -> None:
    fakekube.create(job(HANDLES, spec={"podReplacementPolicy": "Failed"}))
    pod = started(fakekube)
    fakekube.evict(pod)
    done = ended(fakekube)
    assert "Complete" in conditions(done), "its process ended with 0 on SIGTERM"
    assert "failed" not in done["status"]
    assert not fakekube.processes(pod)


def test_failures_by_disruption_can_be_left_uncounted(fakekube: Cluster) -> None:
    policy = {"rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]}
    mark = str(fakekube.data / "ignored")
    script = '[ -e "$MARK" ] && exit 0; trap "touch $MARK; exit 1" TERM; echo ready; while :; do sleep 0.05; done'
    fakekube.create(job(script, spec={"podFailurePolicy": policy}, env=[{"name": "MARK", "value": mark}]))
    fakekube.evict(started(fakekube))
    done = ended(fakekube)
    assert "Complete" in conditions(done) and "failed" not in done["status"]


def test_an_exit_code_can_end_a_job_that_would_be_tried_again(fakekube: Cluster) -> None:
    policy = {"rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}]}
    fakekube.create(job("exit 42", spec={"podFailurePolicy": policy, "backoffLimit": 5}))
    done = ended(fakekube)
    assert reason(done) == "PodFailurePolicy" and done["status"]["failed"] == 1


def test_a_job_without_a_policy_leaves_its_pods_behind(fakekube: Cluster) -> None:
    fakekube.create(job("true"))
    ended(fakekube)
    path = f"/apis/batch/v1/namespaces/{fakekube.namespace}/jobs/job"
    assert fakekube.request("DELETE", path).status_code == 200
    assert not fakekube.jobs()
    [pod] = fakekube.pods()
    assert not pod["metadata"]["ownerReferences"]


def test_a_job_deleted_in_the_background_takes_its_pods_along(fakekube: Cluster) -> None:
    fakekube.create(job(HANDLES))
    pod = started(fakekube)
    fakekube.delete("jobs/job")
    assert not fakekube.jobs()
    fakekube.wait_for(lambda now: not now.pods(), what="the pod to go")
    assert not fakekube.processes(pod)


def test_a_job_deleted_in_the_foreground_stays_until_its_pods_have_gone(fakekube: Cluster) -> None:
    fakekube.create(job(DEAF, template={"terminationGracePeriodSeconds": 600}))
    pod = started(fakekube)
    fakekube.delete("jobs/job", policy="Foreground")
    [deleting] = fakekube.jobs()
    assert deleting["metadata"]["finalizers"] == ["foregroundDeletion"]
    fakekube.kill(pod)
    fakekube.wait_for(lambda now: not now.jobs() and not now.pods(), what="Job and pod to go")


def test_a_job_whose_pods_are_refused_says_so_in_an_event(fakekube: Cluster) -> None:
    fakekube.create(job("true", template={"serviceAccountName": "nobody"}))
    events = fakekube.wait_for(lambda now: [one for one in now.events() if one["reason"] == "FailedCreate"])
    assert 'serviceaccount "nobody" not found' in events[0]["message"]
    assert not fakekube.pods()
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "nobody"}}
    fakekube.create(account)
    assert "Complete" in conditions(ended(fakekube))


def test_a_suspended_job_starts_nothing_until_it_is_resumed(fakekube: Cluster) -> None:
    fakekube.create(job("true", spec={"suspend": True}))
    fakekube.create(job("true", name="other"))
    ended(fakekube, "other")
    assert [pod["metadata"]["labels"]["job-name"] for pod in fakekube.pods()] == ["other"]
    path = f"/apis/batch/v1/namespaces/{fakekube.namespace}/jobs/job"
    fakekube.patch(path, {"spec": {"suspend": False}})
    assert "Complete" in conditions(ended(fakekube))
