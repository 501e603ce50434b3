"""Rules on what pods may do, what reaches them, and who may do what. Each returns its findings as sentences."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_network
from typing import Any

from tests.kubernetes.manifests import NAMESPACE, Body, Manifests, Pod, quantity

_VOLUMES = {"configMap", "emptyDir", "persistentVolumeClaim", "projected", "secret"}
_SECRET_NAME = re.compile(r"PASSWORD|AUTH_STRING|SECRET$|TOKEN|PRIVATE_KEY|ACCESS_KEY|WEBHOOK|REDIS.*URL|DOCKET_URL")
PRIVATE = ("10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16")
ROLES: Mapping[str, set[tuple[str, str, str, str]]] = {
    "prefect-worker": {
        *(("batch", "jobs", verb, "") for verb in ("get", "list", "watch", "create", "delete")),
        *(("", "pods", verb, "") for verb in ("get", "list", "watch")),
        ("", "pods/log", "get", ""),
        *(("", "secrets", verb, "") for verb in ("create", "patch", "delete")),
    },
    "cloud-build": {
        *(("apps", "deployments", verb, "") for verb in ("get", "list", "watch", "patch")),
        *(("apps", "replicasets", verb, "") for verb in ("get", "list", "watch")),
        *(("", "configmaps", verb, "") for verb in ("get", "create", "patch")),
        *(("batch", "jobs", verb, "") for verb in ("get", "list", "watch", "create", "delete")),
        *(("", "pods", verb, "") for verb in ("get", "list", "watch")),
        ("", "pods/log", "get", ""),
        ("", "secrets", "create", ""),
        *(("", "secrets", verb, "prefect-api-auth") for verb in ("get", "patch")),
    },
}
"""Role → (group, resource, verb, name) that it may, and nothing else. A change of a role is a change here."""


def unrestricted(manifests: Manifests) -> list[str]:
    """Pods that ask for more than Pod Security "restricted" gives, or may write to their image."""
    found = [problem for pod in manifests.pods for problem in pod_problems(pod)]
    labels = manifests.of("Namespace")[NAMESPACE]["metadata"]["labels"]
    if labels.get("pod-security.kubernetes.io/enforce") != "restricted":
        found.append("the namespace does not enforce it")
    return found


def pod_problems(pod: Pod) -> list[str]:
    """What is not restricted in one pod; also for the Jobs of flow runs."""
    spec, found = pod.spec, []
    security = spec.get("securityContext", {})
    found += [] if security.get("runAsNonRoot") is True else ["may run as root"]
    found += [] if security.get("runAsUser") == 1001 else ["runs as another user than the image's"]
    found += [] if security.get("seccompProfile") == {"type": "RuntimeDefault"} else ["has no seccomp profile"]
    found += [f"has {key}" for key in ("hostNetwork", "hostPID", "hostIPC", "hostUsers") if spec.get(key)]
    found += [f"mounts {set(v) - {'name'}}" for v in spec.get("volumes", []) if not set(v) - {"name"} <= _VOLUMES]
    found += [] if spec.get("enableServiceLinks") is False else ["gets variables that look like Prefect's settings"]
    for container in pod.containers:
        mine = container.get("securityContext", {})
        name = container["name"]
        found += [] if mine.get("allowPrivilegeEscalation") is False else [f"{name} may gain privileges"]
        found += [] if mine.get("capabilities") == {"drop": ["ALL"]} else [f"{name} keeps capabilities"]
        found += [] if mine.get("readOnlyRootFilesystem") is True else [f"{name} may write to its image"]
        found += [f"{name} is privileged"] if mine.get("privileged") else []
        found += [f"{name} opens a port of the node" for p in container.get("ports", []) if "hostPort" in p]
    return [f"{pod.owner} {problem}" for problem in found]


def unlimited(manifests: Manifests) -> list[str]:
    """Containers whose requests are not their limits, for all three resources, and folders in memory without an end."""
    return [problem for pod in manifests.pods for problem in pod_unlimited(pod)]


def pod_unlimited(pod: Pod) -> list[str]:
    found = []
    for container in pod.containers:
        resources = container.get("resources", {})
        wanted = {"cpu", "memory", "ephemeral-storage"}
        if set(resources.get("limits", {})) != wanted or resources["limits"] != resources.get("requests"):
            found.append(f"{pod.owner}: {container['name']} has other limits than requests, or none")
    room = sum(quantity(c.get("resources", {}).get("limits", {}).get("ephemeral-storage", 0)) for c in pod.containers)
    return found + [
        f"{pod.owner}: {volume['name']} has no limit below the pod's"
        for volume in pod.spec.get("volumes", [])
        if "emptyDir" in volume and not 0 < quantity(volume["emptyDir"].get("sizeLimit", 0)) <= room
    ]


def loose_images(manifests: Manifests) -> list[str]:
    """Images that could be another tomorrow: ours without a digest, others without an exact version."""
    found = []
    for where, _, container in manifests.containers():
        image = container["image"]
        exact = r"@sha256:[0-9a-f]{64}$" if "mg-dw" in image else r":\d+\.\d+\.\d+$"
        if not re.search(exact, image):
            found.append(f"{where} runs {image}")
    images = {container["image"] for _, _, container in manifests.containers()}
    return found + ([] if len(images) == 2 else [f"more than one version runs: {sorted(images)}"])


def plain_secrets(manifests: Manifests) -> list[str]:
    """Secrets in the tree, or values in the environment where a secret's name belongs."""
    found = [f"there is a Secret {name}" for name in manifests.of("Secret")]
    pairs = [(w, e["name"], e["value"]) for w, _, c in manifests.containers() for e in c.get("env", []) if "value" in e]
    pairs += [(n, k, v) for n, o in manifests.of("ConfigMap").items() for k, v in o.get("data", {}).items()]
    for where, name, value in pairs:
        where_it_is = name.startswith("PREFECT_INTEGRATIONS_KUBERNETES_WORKER_")
        if _SECRET_NAME.search(name) and not where_it_is and not value.startswith("secret://"):
            found.append(f"{where}: {name} has a value")
        if re.search(r"://[^/@:]*:[^/@]+@|-----BEGIN|hooks\.slack\.com", value):
            found.append(f"{where}: {name} shows a password")
    return found


def rights(manifests: Manifests) -> list[str]:
    """Roles that differ from `ROLES`, rights outside the namespace, tokens in pods that do not need one."""
    found = [f"{kind} {name}" for kind in ("ClusterRole", "ClusterRoleBinding") for name in manifests.of(kind)]
    roles = manifests.of("Role")
    found += [f"role {name} is not expected, or gone" for name in set(roles) ^ set(ROLES)]
    for name in set(roles) & set(ROLES):
        given = {
            (group, resource, verb, one)
            for rule in roles[name]["rules"]
            for group in rule["apiGroups"]
            for resource in rule["resources"]
            for verb in rule["verbs"]
            for one in rule.get("resourceNames", [""])
        }
        found += [f"{name} may {right}" for right in given - ROLES[name]]
        found += [f"{name} may not {right}" for right in ROLES[name] - given]
    for name, binding in manifests.of("RoleBinding").items():
        (subject,) = binding["subjects"]
        if binding["roleRef"]["name"] != name or subject["name"].partition("@")[0] != name:
            found.append(f"binding {name} gives {binding['roleRef']['name']} to {subject['name']}")
    for pod in manifests.pods:
        if pod.spec.get("automountServiceAccountToken") is not (pod.spec["serviceAccountName"] == "prefect-worker"):
            found.append(f"{pod.owner} has a token, or the worker has none")
    found += [
        f"account {name} mounts its token"
        for name, account in manifests.of("ServiceAccount").items()
        if account.get("automountServiceAccountToken") is not False
    ]
    return found


def selects(selector: Body, labels: Mapping[str, str]) -> bool:
    """Whether a label selector (matchLabels, matchExpressions with In) picks these labels."""
    plain = all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
    listed = all(
        e["operator"] == "In" and labels.get(e["key"]) in e["values"] for e in selector.get("matchExpressions", [])
    )
    return plain and listed


def egress(manifests: Manifests, labels: Mapping[str, str]) -> set[tuple[str, int]]:
    """(peer, port) that pods with these labels may reach over TCP: an address range, or a component's name."""
    reached: set[tuple[str, int]] = set()
    for policy in manifests.of("NetworkPolicy").values():
        if not selects(policy["spec"]["podSelector"], labels):
            continue
        for rule in policy["spec"].get("egress", []):
            for peer in rule.get("to", [{"ipBlock": {"cidr": "everywhere"}}]):
                for port in rule.get("ports", [{"port": 0}]):
                    if port.get("protocol") != "UDP":
                        reached |= {(name, port["port"]) for name in _peers(peer)}
    return reached


def _peers(peer: dict[str, Any]) -> list[str]:
    if "ipBlock" in peer:
        block = peer["ipBlock"]
        public = block["cidr"] == "0.0.0.0/0" and tuple(block.get("except", ())) == PRIVATE
        return ["the internet" if public else block["cidr"]]
    if "namespaceSelector" in peer:
        return [f"namespace {peer['namespaceSelector']['matchLabels']['kubernetes.io/metadata.name']}"]
    selector = peer["podSelector"]
    values = [v for e in selector.get("matchExpressions", []) for v in e["values"]]
    return values or list(selector["matchLabels"].values())


_NAMES = {("namespace kube-system", 53), ("169.254.20.10/32", 53), ("169.254.169.254/32", 53)}
_ACCOUNT = {("169.254.169.254/32", 80), ("169.254.169.254/32", 8080)}
REACH: Mapping[str, set[tuple[str, int]]] = {
    "server": {*_NAMES, *_ACCOUNT, ("10.28.0.0/20", 3307), ("the internet", 443)},
    "worker": {*_NAMES, ("server", 4200), ("10.20.0.0/22", 443), ("10.20.16.0/20", 443)},
    "flow-run": {*_NAMES, *_ACCOUNT, ("server", 4200), ("the internet", 443)},
    "deploy": {*_NAMES, *_ACCOUNT, ("server", 4200), ("the internet", 443)},
}
"""Component → what its pods may reach. A change of a policy is a change here."""


def network(manifests: Manifests) -> list[str]:
    """Policies that let a component reach, or be reached by, other than what is listed."""
    policies = manifests.of("NetworkPolicy")
    found = [] if _denies_all(policies.get("nothing-by-default", {})) else ["not everything is denied at first"]
    redis = {("10.28.0.0/20", 6378), ("10.28.0.0/20", 6379)} if "prefect-redis" in policies else set[Any]()
    for component, wanted in REACH.items():
        reached = egress(manifests, {"app.kubernetes.io/component": component})
        wanted_here = wanted | (redis if component == "server" else set())
        found += [f"{component} reaches {peer}" for peer in sorted(reached ^ wanted_here)]
    components = {pod.labels.get("app.kubernetes.io/component") for pod in manifests.pods}
    found += [f"no policy knows the component {c}" for c in components - set(REACH)]
    callers = {
        (peer, port["port"])
        for policy in policies.values()
        for rule in policy["spec"].get("ingress", [])
        for source in rule["from"]
        for peer in _peers(source)
        for port in rule["ports"]
    }
    wanted = {(caller, 4200) for caller in ("deploy", "flow-run", "worker")}
    return found + [f"{caller} may call {port}, or may not" for caller, port in sorted(callers ^ wanted)]


def _denies_all(policy: Body) -> bool:
    return policy.get("spec") == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def addresses(manifests: Manifests) -> set[str]:
    """The private address ranges that policies name."""
    ranges = {
        peer["ipBlock"]["cidr"]
        for policy in manifests.of("NetworkPolicy").values()
        for rule in policy["spec"].get("egress", [])
        for peer in rule["to"]
        if "ipBlock" in peer
    }
    return {r for r in ranges if ip_network(r).subnet_of(ip_network("10.0.0.0/8"))}
