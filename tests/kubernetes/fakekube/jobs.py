"""The Job controller: makes pods, counts how they end, retries with back-off, and ends the Job.

After `pkg/controller/job/job_controller.go` of Kubernetes 1.34, for Jobs that are not indexed. What matters to whoever
watches: a pod that is being deleted counts as failed at once, before its process has ended, unless the Job has
`podReplacementPolicy: Failed` or a `podFailurePolicy`; `Failed` and `Complete` come only when no pod is terminating.
"""

from __future__ import annotations

import copy
import logging
from datetime import timedelta
from typing import Any

from tests.kubernetes.fakekube import conditions, deletion, resources
from tests.kubernetes.fakekube import job_rules as rules
from tests.kubernetes.fakekube.admission import Admission
from tests.kubernetes.fakekube.errors import ApiError
from tests.kubernetes.fakekube.events import record
from tests.kubernetes.fakekube.failure_policy import decide
from tests.kubernetes.fakekube.queue import WorkQueue
from tests.kubernetes.fakekube.store import Change, Key, Object, Store, key_of, moment, now, owner_reference, stamp

FINALIZER = "batch.kubernetes.io/job-tracking"
_LONGEST_BACK_OFF = 600.0
_log = logging.getLogger(__name__)


class JobController:
    """Acts on Jobs and their pods. `back_off` is the wait in seconds before the first retry (a cluster's is 10)."""

    def __init__(self, store: Store, admission: Admission, back_off: float) -> None:
        self._store = store
        self._admission = admission
        self._back_off = back_off
        self._queue = WorkQueue()
        self._refusals: dict[str, int] = {}

    def notice(self, change: Change) -> None:
        """Queue the Job that a change concerns."""
        if change.resource is resources.JOBS:
            self._queue.add(change.key)
        elif change.resource is resources.PODS:
            for reference in change.object["metadata"].get("ownerReferences") or []:
                if reference["kind"] == "Job":
                    self._queue.add((change.object["metadata"]["namespace"], reference["name"]))
            if change.old is not None and FINALIZER in (change.object["metadata"].get("finalizers") or []):
                self._release_orphan(change.object)

    async def run(self) -> None:
        while True:
            key = await self._queue.get()
            try:
                self._sync(key)
            except ApiError as error:
                _log.info("Job %s again: %s", key, error)
                self._queue.add_after(key, 0.1)

    def _sync(self, key: Key) -> None:
        found = self._store.find(resources.JOBS, *key)
        if found is None:
            return
        if rules.finished_at(found) is not None:
            self._expire(found)
            return
        pods = self._pods(found)
        job = copy.deepcopy(found)
        status: dict[str, Any] = job.setdefault("status", {})
        status.setdefault("startTime", stamp())
        self._count(job, pods, all_of_them=conditions.holds(job, "FailureTarget"))
        ended = self._ended(job)
        active = [pod for pod in pods if rules.is_active(pod)]
        if ended is not None:
            for pod in active:
                deletion.delete(self._store, resources.PODS, pod)
            pods, active = self._pods(found), []
            self._count(job, pods, all_of_them=True)
            pods = self._pods(found)
        elif "deletionTimestamp" not in job["metadata"]:
            active = self._manage(job, pods, active)
        self._finish(job, ended, pods, active)

    def _pods(self, job: Object) -> list[Object]:
        uid = job["metadata"]["uid"]
        return [
            pod
            for pod in self._store.every(resources.PODS, job["metadata"]["namespace"])
            if any(one["uid"] == uid for one in pod["metadata"].get("ownerReferences") or [])
        ]

    def _count(self, job: Object, pods: list[Object], *, all_of_them: bool) -> None:
        """Count pods that ended since, each once: those still have the finalizer, which goes with the counting.
        Of a Job that has failed, `all_of_them` count as failed, also those that still end."""
        status = job["status"]
        for pod in pods:
            if FINALIZER not in (pod["metadata"].get("finalizers") or []):
                continue
            failed = all_of_them or rules.is_failed(pod, job)
            if pod["status"].get("phase") == "Succeeded":
                status["succeeded"] = status.get("succeeded", 0) + 1
            elif failed:
                verdict = decide(job["spec"].get("podFailurePolicy"), pod)
                if verdict.fails_job:
                    job.update(conditions.put(job, "FailureTarget", "True", "PodFailurePolicy", verdict.message))
                    status = job["status"]
                if verdict.counts:
                    status["failed"] = status.get("failed", 0) + 1
            elif "deletionTimestamp" not in job["metadata"]:
                continue
            self._remove_finalizer(pod)

    def _ended(self, job: Object) -> tuple[str, str] | None:
        """Why the Job has failed: reason and message."""
        status, spec = job["status"], job["spec"]
        if conditions.holds(job, "FailureTarget"):
            known = conditions.get(job, "FailureTarget")
            return known["reason"], known["message"]
        if status.get("failed", 0) > spec["backoffLimit"]:
            return "BackoffLimitExceeded", "Job has reached the specified backoff limit"
        if (deadline := spec.get("activeDeadlineSeconds")) is not None:
            left = (moment(status["startTime"]) + timedelta(seconds=deadline) - now()).total_seconds()
            if left <= 0:
                return "DeadlineExceeded", "Job was active longer than specified deadline"
            self._queue.add_after(key_of(job), left)
        return None

    def _manage(self, job: Object, pods: list[Object], active: list[Object]) -> list[Object]:
        """Make the pods that are missing, when the back-off is over; returns the active ones."""
        spec, status = job["spec"], job["status"]
        missing = min(spec["parallelism"], spec["completions"] - status.get("succeeded", 0)) - len(active)
        if rules.replaces_failed_only(job):
            missing -= sum(rules.is_terminating(pod) for pod in pods)
        if missing <= 0 or spec.get("suspend"):
            return active
        wait = self._wait(job)
        if wait > 0:
            self._queue.add_after(key_of(job), wait)
            return active
        try:
            return active + [self._make_pod(job) for _ in range(missing)]
        except ApiError as error:
            uid = job["metadata"]["uid"]
            self._refusals[uid] = self._refusals.get(uid, 0) + 1
            record(self._store, job, "FailedCreate", f"Error creating: {error}", by="job-controller", warning=True)
            again = self._back_off * 2 ** (self._refusals[uid] - 1)
            self._queue.add_after(key_of(job), min(again, _LONGEST_BACK_OFF))
            return active

    def _wait(self, job: Object) -> float:
        """Seconds until the next pod may start: 10, 20, 40 ... after the last failure."""
        failures = [pod for pod in self._pods(job) if rules.is_failed(pod, job)]
        if not job["status"].get("failed") or not failures:
            return 0.0
        back_off = min(self._back_off * 2 ** (job["status"]["failed"] - 1), _LONGEST_BACK_OFF)
        last = max(rules.ended_at(pod) for pod in failures)
        return (last + timedelta(seconds=back_off) - now()).total_seconds()

    def _make_pod(self, job: Object) -> Object:
        template, metadata = job["spec"]["template"], job["metadata"]
        body = {
            "metadata": {
                **copy.deepcopy(template.get("metadata") or {}),
                "generateName": f"{metadata['name']}-",
                "namespace": metadata["namespace"],
                "finalizers": [FINALIZER],
                "ownerReferences": [owner_reference(resources.JOBS, job)],
            },
            "spec": copy.deepcopy(template["spec"]),
        }
        pod = self._store.create(resources.PODS, self._admission.admit(resources.PODS, body))
        record(self._store, job, "SuccessfulCreate", f"Created pod: {pod['metadata']['name']}", by="job-controller")
        return pod

    def _finish(self, job: Object, ended: tuple[str, str] | None, pods: list[Object], active: list[Object]) -> None:
        """Write the status, with the condition that ends the Job once nothing of it is terminating."""
        terminating = sum(rules.is_terminating(pod) for pod in pods)
        if ended is not None:
            job = conditions.put(job, "FailureTarget", "True", *ended)
            if terminating == 0:
                job = conditions.put(job, "Failed", "True", *ended)
                record(self._store, job, ended[0], ended[1], by="job-controller", warning=True)
        elif job["status"].get("succeeded", 0) >= job["spec"]["completions"] and not active:
            about = ("CompletionsReached", "Reached expected number of succeeded pods")
            job = conditions.put(job, "SuccessCriteriaMet", "True", *about)
            if terminating == 0:
                job = conditions.put(job, "Complete", "True", *about)
                job["status"]["completionTime"] = stamp()
                record(self._store, job, "Completed", "Job completed", by="job-controller")
        status = job["status"]
        status["terminating"] = terminating
        status["ready"] = sum(conditions.holds(pod, "Ready") for pod in active)
        status["active"] = len(active)
        if not status["active"]:
            del status["active"]
        status["uncountedTerminatedPods"] = {}
        present = self._store.find(resources.JOBS, *key_of(job))
        if present is not None:
            self._store.update(resources.JOBS, {**present, "status": status})

    def _expire(self, job: Object) -> None:
        """Delete a finished Job when its ttlSecondsAfterFinished is over."""
        for pod in self._pods(job):
            if FINALIZER in (pod["metadata"].get("finalizers") or []):
                self._remove_finalizer(pod)
        ttl, finished = job["spec"].get("ttlSecondsAfterFinished"), rules.finished_at(job)
        if ttl is None or finished is None or "deletionTimestamp" in job["metadata"]:
            return
        left = (finished + timedelta(seconds=ttl) - now()).total_seconds()
        if left > 0:
            self._queue.add_after(key_of(job), left)
        else:
            deletion.delete(self._store, resources.JOBS, job, {"propagationPolicy": "Foreground"})

    def _release_orphan(self, pod: Object) -> None:
        references = pod["metadata"].get("ownerReferences") or []
        namespace = pod["metadata"]["namespace"]
        owners = [self._store.find(resources.JOBS, namespace, one["name"]) for one in references]
        if not any(owner is not None for owner in owners):
            self._remove_finalizer(pod)

    def _remove_finalizer(self, pod: Object) -> None:
        present = self._store.edit(resources.PODS, *key_of(pod))
        if present is not None and FINALIZER in (present["metadata"].get("finalizers") or []):
            present["metadata"]["finalizers"].remove(FINALIZER)
            self._store.update(resources.PODS, present)
