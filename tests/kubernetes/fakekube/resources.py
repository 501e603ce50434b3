"""Which resources the API serves, and how a path names them."""

from __future__ import annotations

from dataclasses import dataclass, field

_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True)
class Resource:
    """One kind of object. `subresources` maps a name to the verbs it takes."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    subresources: dict[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    kept: bool = True
    """False for reviews, which are answered and not stored."""

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """The name in error messages: `jobs.batch`, `pods`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def verbs(self) -> tuple[str, ...]:
        return _VERBS if self.kept else ("create",)

    @property
    def root(self) -> str:
        """The path below which the resource lies: `/apis/batch/v1`."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"


_STATUS = {"status": ("get", "patch", "update")}
_RBAC = "rbac.authorization.k8s.io"

PODS = Resource(
    "", "v1", "pods", "Pod", short_names=("po",), subresources={**_STATUS, "log": ("get",), "eviction": ("create",)}
)
JOBS = Resource("batch", "v1", "jobs", "Job", subresources=_STATUS)
SECRETS = Resource("", "v1", "secrets", "Secret")
CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap", short_names=("cm",))
EVENTS = Resource("", "v1", "events", "Event", short_names=("ev",))
NAMESPACES = Resource("", "v1", "namespaces", "Namespace", namespaced=False, short_names=("ns",), subresources=_STATUS)
NODES = Resource("", "v1", "nodes", "Node", namespaced=False, short_names=("no",), subresources=_STATUS)
SERVICE_ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount", short_names=("sa",))
QUOTAS = Resource("", "v1", "resourcequotas", "ResourceQuota", short_names=("quota",), subresources=_STATUS)
DISRUPTION_BUDGETS = Resource(
    "policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", short_names=("pdb",), subresources=_STATUS
)
DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment", short_names=("deploy",), subresources=_STATUS)
LIMIT_RANGES = Resource("", "v1", "limitranges", "LimitRange", short_names=("limits",))
PRIORITY_CLASSES = Resource("scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", namespaced=False)
ROLES = Resource(_RBAC, "v1", "roles", "Role")
ROLE_BINDINGS = Resource(_RBAC, "v1", "rolebindings", "RoleBinding")
CLUSTER_ROLES = Resource(_RBAC, "v1", "clusterroles", "ClusterRole", namespaced=False)
CLUSTER_ROLE_BINDINGS = Resource(_RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False)
ACCESS_REVIEWS = Resource(
    "authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", namespaced=False, kept=False
)

ALL = (
    PODS, JOBS, SECRETS, CONFIG_MAPS, EVENTS, NAMESPACES, NODES, SERVICE_ACCOUNTS, QUOTAS, LIMIT_RANGES,
    DISRUPTION_BUDGETS, DEPLOYMENTS, PRIORITY_CLASSES, ROLES, ROLE_BINDINGS, CLUSTER_ROLES, CLUSTER_ROLE_BINDINGS,
    ACCESS_REVIEWS,
    # Kept and validated, with nothing that acts on them: deploying and kustomize output can be tried on them.
    Resource("", "v1", "services", "Service", short_names=("svc",)),
    Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", short_names=("pvc",)),
    Resource("apps", "v1", "statefulsets", "StatefulSet", short_names=("sts",), subresources=_STATUS),
    Resource("batch", "v1", "cronjobs", "CronJob", short_names=("cj",), subresources=_STATUS),
    Resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", short_names=("netpol",)),
    Resource("networking.k8s.io", "v1", "ingresses", "Ingress", short_names=("ing",)),
    Resource("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", short_names=("hpa",)),
    Resource("coordination.k8s.io", "v1", "leases", "Lease"),
)  # fmt: skip

_BY_PLURAL = {(one.group, one.version, one.plural): one for one in ALL}
_BY_KIND = {(one.api_version, one.kind): one for one in ALL}


def by_kind(api_version: str, kind: str) -> Resource | None:
    """The resource of a manifest's `apiVersion` and `kind`; None when the API does not serve it."""
    return _BY_KIND.get((api_version, kind))


@dataclass(frozen=True)
class Target:
    """What a path points at."""

    resource: Resource
    namespace: str | None
    name: str | None
    subresource: str | None


def parse(path: str) -> Target | None:
    """The target of a resource path (`/apis/batch/v1/namespaces/mg-dw/jobs/x`), or None when there is none."""
    match path.strip("/").split("/"):
        case ["api", version, *rest]:
            group = ""
        case ["apis", group, version, *rest]:
            pass
        case _:
            return None
    namespace = None
    if len(rest) >= 3 and rest[0] == "namespaces" and (group, version, rest[2]) in _BY_PLURAL:
        namespace, rest = rest[1], rest[2:]
    if not rest or (resource := _BY_PLURAL.get((group, version, rest[0]))) is None or len(rest) > 3:
        return None
    if (namespace is not None) != resource.namespaced and (namespace is not None or len(rest) > 1):
        return None
    name, subresource = (*rest[1:], None, None)[:2]
    if subresource is not None and subresource not in resource.subresources:
        return None
    return Target(resource, namespace, name, subresource)
