"""Rules on whether the parts of `k8s/` fit each other, the program, `prefect.yaml` and `deployments/gcp`.

Each returns its findings as sentences.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import yaml
from prefect.logging.configuration import DEFAULT_LOGGING_SETTINGS_PATH
from prefect.settings.models.root import Settings
from prefect_kubernetes.settings import KubernetesSettings
from pydantic import AliasChoices, BaseModel
from pydantic_settings import BaseSettings
from sqlalchemy.engine import make_url

from connectors.errors import ConfigurationError
from connectors.google import GoogleSettings
from connectors.netsuite.settings import NetSuiteSettings
from connectors.s3.settings import S3Settings
from connectors.salesforce.settings import SalesforceSettings
from connectors.settings import SystemSettings
from connectors.tableau.settings import TableauSettings
from connectors.warehouse.settings import WarehouseSettings
from connectors.zuora.settings import ZuoraSettings
from flows.settings import FlowSettings
from tests.deployments.configuration import GCP, Configuration
from tests.kubernetes.manifests import NAMESPACE, ROOT, Body, Manifests, deploy_job, quantity
from tests.kubernetes.safety import addresses, selects

GROUPS: tuple[type[SystemSettings], ...] = (
    FlowSettings,
    GoogleSettings,
    NetSuiteSettings,
    S3Settings,
    SalesforceSettings,
    TableauSettings,
    WarehouseSettings,
    ZuoraSettings,
)
BY_HAND = {"prefect-api-auth": "auth-string", "prefect-redis": "url"}
"""Secrets that no file here has: name → key."""


def references(manifests: Manifests) -> list[str]:
    """Names that nothing in the namespace has."""
    found: list[str] = []
    configs, claims = manifests.of("ConfigMap"), manifests.of("PersistentVolumeClaim")
    for where, pod, container in manifests.containers():
        for variable in container.get("env", []):
            source = variable.get("valueFrom", {})
            if "configMapKeyRef" in source:
                asked = source["configMapKeyRef"]
                there = asked["key"] in configs.get(asked["name"], {}).get("data", {})
                found += [] if there else [f"{where} asks for {asked['name']}/{asked['key']}"]
            if "secretKeyRef" in source:
                asked = source["secretKeyRef"]
                found += [] if BY_HAND.get(asked["name"]) == asked["key"] else [f"{where} asks for {asked['name']}"]
        for source in container.get("envFrom", []):
            name = source["configMapRef"]["name"]
            found += [] if name in configs else [f"{where} asks for {name}"]
        mounted = {m["name"] for m in container.get("volumeMounts", [])}
        found += [f"{where} mounts {name}" for name in mounted - {v["name"] for v in pod.spec.get("volumes", [])}]
    for pod in manifests.pods:
        for volume in pod.spec.get("volumes", []):
            name = volume.get("persistentVolumeClaim", {}).get("claimName")
            found += [f"{pod.owner} asks for {name}"] if name and name not in claims else []
        account = pod.spec["serviceAccountName"]
        found += [] if account in manifests.of("ServiceAccount") else [f"{pod.owner} is {account}"]
    for name, service in manifests.of("Service").items():
        if not any(service["spec"]["selector"].items() <= pod.labels.items() for pod in manifests.pods):
            found.append(f"service {name} has no pods")
    elsewhere = {
        o["metadata"]["name"] for o in manifests.objects if o["metadata"].get("namespace", NAMESPACE) != NAMESPACE
    }
    return found + [f"{name} is in another namespace" for name in elsewhere]


def probes(manifests: Manifests) -> list[str]:
    """Containers that run on and of which nobody would notice that they hang."""
    found = []
    for where, pod, container in manifests.containers():
        sidecar = container.get("restartPolicy") == "Always"
        wanted = {"startupProbe", "livenessProbe"} | (set() if sidecar else {"readinessProbe"})
        runs_on = sidecar or container in pod.spec["containers"]
        if runs_on and container["name"] != "prefect-background":
            found += [f"{where} has no {probe}" for probe in wanted - set(container)]
    return found


def state(manifests: Manifests) -> list[str]:
    """A server that forgets leases when it restarts, or several that do not hear of each other."""
    server = manifests.of("Deployment")["prefect-server"]["spec"]
    settings = manifests.config("prefect-server")
    shared = settings["PREFECT_SERVER_EVENTS_MESSAGING_BROKER"] if server["replicas"] > 1 else "prefect_redis.messaging"
    found = [] if shared == "prefect_redis.messaging" else ["servers without Redis between them"]
    storage = settings.get("PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE", "")
    if storage.endswith("filesystem"):
        claimed = {v["name"] for v in server["template"]["spec"]["volumes"] if "persistentVolumeClaim" in v}
        mounts = server["template"]["spec"]["containers"][0]["volumeMounts"]
        kept = {m["mountPath"] for m in mounts if m["name"] in claimed}
        found += [] if settings["PREFECT_HOME"] in kept else ["leases lie where a restart loses them"]
        found += [] if server["strategy"] == {"type": "Recreate"} else ["two servers would write the same disk"]
    elif storage != "prefect_redis.lease_storage":
        found.append("leases go with the server")
    return found


def budgets(manifests: Manifests) -> list[str]:
    """Deployments without a disruption budget, and budgets without pods."""
    found = []
    given = manifests.of("PodDisruptionBudget")
    for name, deployment in manifests.of("Deployment").items():
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        fitting = [b for b in given.values() if selects(b["spec"]["selector"], labels)]
        found += [] if len(fitting) == 1 else [f"{name} has {len(fitting)} budgets"]
        found += [
            f"{name} could never be moved"
            for b in fitting
            if b["spec"].get("minAvailable", 0) > deployment["spec"]["replicas"]
        ]
        if deployment["spec"]["selector"]["matchLabels"].items() - labels.items():
            found.append(f"{name} does not select its own pods")
    pods = [pod.labels for pod in manifests.pods]
    found += [
        f"budget {n} is for nothing"
        for n, b in given.items()
        if not any(selects(b["spec"]["selector"], p) for p in pods)
    ]
    return found


def quota(manifests: Manifests) -> list[str]:
    """A quota under which every deployment could not run at the same time, beside what always runs."""
    needed = dict.fromkeys(("cpu", "memory", "ephemeral-storage"), 0.0)
    pods = 0
    always = [(d["spec"]["replicas"], d["spec"]["template"]["spec"]) for d in manifests.of("Deployment").values()]
    for replicas, spec in [*always, (1, deploy_job()["spec"]["template"]["spec"])]:
        pods += replicas
        # Sidecars add to the containers; one that only starts the pod does not.
        running = [
            *spec["containers"],
            *(c for c in spec.get("initContainers", []) if c.get("restartPolicy") == "Always"),
        ]
        for container in running:
            for name in needed:
                needed[name] += replicas * quantity(container["resources"]["limits"][name])
    for variables in job_variables().values():
        pods += 1
        for name in needed:
            needed[name] += quantity(variables[name.replace("-", "_")])
    hard = manifests.of("ResourceQuota")[NAMESPACE]["spec"]["hard"]
    found = [
        f"{kind}.{name} is {hard[f'{kind}.{name}']}, and {amount:g} may be asked for"
        for name, amount in needed.items()
        for kind in ("requests", "limits")
        if quantity(hard[f"{kind}.{name}"]) < amount
    ]
    found += [] if int(hard["pods"]) >= pods else [f"{pods} pods may run"]
    largest = manifests.of("LimitRange")[NAMESPACE]["spec"]["limits"][0]["max"]
    return found + [
        f"{deployment} asks for more {name} than one container may have"
        for deployment, variables in job_variables().items()
        for name in needed
        if quantity(variables[name.replace("-", "_")]) > quantity(largest[name])
    ]


@cache
def job_variables() -> Mapping[str, Mapping[str, Any]]:
    """Deployment of prefect.yaml → its job variables over the template's defaults."""
    template = yaml.safe_load((ROOT / "k8s/work-pool/base-job-template.json").read_text())
    defaults = {n: v["default"] for n, v in template["variables"]["properties"].items() if "default" in v}
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    return {d["name"]: {**defaults, **d["work_pool"].get("job_variables", {})} for d in deployments}


def accounts(manifests: Manifests) -> list[str]:
    """Service accounts, projects, addresses and database that are not those of `deployments/gcp`."""
    gcp = Configuration.here()
    environment = manifests.variant.partition("-")[0]
    project = tfvars(environment)["project_id"]
    given = {n: a["metadata"]["annotations"] for n, a in manifests.of("ServiceAccount").items()}
    there = {a["kubernetes"] for a in gcp.locals()["accounts"].values() if a["kubernetes"] not in (None, "null")}
    wanted = {n: {"iam.gke.io/gcp-service-account": f"{n}@{project}.iam.gserviceaccount.com"} for n in there}
    found = [f"account {n} is {given.get(n)}" for n in set(given) | set(wanted) if given.get(n) != wanted.get(n)]
    builder = manifests.of("RoleBinding")["cloud-build"]["subjects"][0]["name"]
    found += [] if builder == f"cloud-build@{project}.iam.gserviceaccount.com" else [f"builds come as {builder}"]
    found += [] if gcp.locals()["namespace"] == NAMESPACE else ["the namespace has another name there"]

    database = manifests.config("prefect-database")
    instance = gcp.resource("google_sql_database_instance", "prefect")["name"]
    region = tfvars(environment)["region"]
    found += [] if database["instance"] == f"{project}:{region}:{instance}" else [f"database {database['instance']}"]
    url = make_url(database["url"])
    name = gcp.resource("google_sql_database", "prefect")["name"]
    if (url.drivername, url.username, url.password, url.host, url.database) != (
        "postgresql+asyncpg",
        f"prefect-server@{project}.iam",
        None,
        "127.0.0.1",
        name,
    ):
        found.append(f"the server signs in as {database['url']}")

    data = manifests.config("flow-run-environment")
    if (data["MGDW_GCP_PROJECT"], data["MGDW_LAKE"]) != (project, f"gs://{tfvars(environment)['lake_bucket']}"):
        found.append(f"runs work on {data['MGDW_GCP_PROJECT']} and {data['MGDW_LAKE']}")
    repository = gcp.resource("google_artifact_registry_repository", "images")["repository_id"]
    images = f"{region}-docker.pkg.dev/{project}/{repository}/"
    ours = {c["image"] for _, _, c in manifests.containers() if "mg-dw" in c["image"]}
    found += [f"{image} is in another registry" for image in ours if not image.startswith(images)]
    return found + [f"{a} is not in network.tf" for a in addresses(manifests) if not _is_range(a, gcp.text)]


def _is_range(cidr: str, network: str) -> bool:
    address, _, length = cidr.partition("/")
    allotted = re.search(rf'address\s+= "{re.escape(address)}"\n\s+prefix_length = {length}\b', network)
    return f'"{cidr}"' in network or allotted is not None


def tfvars(environment: str) -> dict[str, str]:
    """The texts among an environment's example variables."""
    text = (GCP / f"{environment}.tfvars.example").read_text()
    return dict(re.findall(r'^(\w+)\s*= "([^"]*)"', text, re.MULTILINE))


def settings(manifests: Manifests) -> list[str]:
    """Variables that nothing reads, and values that the program would refuse."""
    data = manifests.config("flow-run-environment")
    ours = {n: v for n, v in data.items() if n.startswith("MGDW_")}
    known = {f"{g.model_config.get('env_prefix', '')}{f}".upper() for g in GROUPS for f in g.model_fields}
    found = [f"nothing reads {name}" for name in ours.keys() - known]
    for group in GROUPS:
        prefix = group.model_config.get("env_prefix", "").upper()
        values = {f: ours[f"{prefix}{f}".upper()] for f in group.model_fields if f"{prefix}{f}".upper() in ours}
        found += _refused(group, values)
    for name, config in manifests.of("ConfigMap").items():
        theirs = {n for n in config.get("data", {}) if n.startswith("PREFECT_") and not n.startswith("PREFECT_REDIS_")}
        found += [f"{name}: Prefect has no {setting}" for setting in theirs - prefect_settings()]
    for where, _, container in manifests.containers():
        theirs = {v["name"] for v in container.get("env", []) if v["name"].startswith("PREFECT_")}
        theirs -= {"PREFECT_REDIS_MESSAGING_URL", "PREFECT_REDIS_WORKER_CLEANUP_QUEUE_URL"}
        found += [f"{where}: Prefect has no {setting}" for setting in theirs - prefect_settings()]
    wanted = {
        "MGDW_WAREHOUSE": "bigquery",
        "MGDW_SECRETS": "gcp",
        "MGDW_CHILDREN": "deployments",
        "MGDW_ALERTS": "automations",
    }
    return found + [f"{n} is {data.get(n)}" for n, v in wanted.items() if data.get(n) != v]


def _refused(group: type[SystemSettings], values: Mapping[str, str]) -> list[str]:
    try:
        group(**values)  # pyright: ignore[reportArgumentType]
    except (ConfigurationError, ValueError) as error:
        return [f"{group.__name__} says {str(error)[:300]}"]
    return []


@cache
def prefect_settings() -> frozenset[str]:
    """Every variable that Prefect or its Kubernetes worker reads; for its logging, any key of logging.yml is one."""
    logging = yaml.safe_load(DEFAULT_LOGGING_SETTINGS_PATH.read_text())
    return frozenset({*_variables(Settings), *_variables(KubernetesSettings), *_keys("PREFECT_LOGGING", logging)})


def _keys(prefix: str, value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _keys(f"{prefix}_{name.replace('.', '_').upper()}", part)
    else:
        yield prefix


def _variables(model: type[BaseModel]) -> Iterator[str]:
    prefix = model.model_config.get("env_prefix", "")
    for name, one in model.model_fields.items():
        kind = one.annotation
        if isinstance(kind, type) and issubclass(kind, BaseSettings):
            yield from _variables(kind)
            continue
        yield f"{prefix}{name}".upper()
        if isinstance(one.validation_alias, AliasChoices):
            yield from (c.upper() for c in one.validation_alias.choices if isinstance(c, str))


def server(manifests: Manifests) -> list[str]:
    """A database proxy, ports or names other than what the rest counts on."""
    deployments: dict[str, Body] = manifests.of("Deployment")
    found = [f"{n} is gone" for n in ("prefect-server", "prefect-worker") if n not in deployments]
    for name in ("prefect-server", "prefect-worker"):
        names = [c["name"] for c in deployments[name]["spec"]["template"]["spec"]["containers"]]
        found += [] if names == [name] else [f"{name} has the containers {names}"]
    (proxy,) = (
        c
        for c in deployments["prefect-server"]["spec"]["template"]["spec"]["initContainers"]
        if c["name"] == "cloud-sql-proxy"
    )
    found += [f"the proxy is started without {a}" for a in {"--private-ip", "--auto-iam-authn"} - set(proxy["args"])]
    found += [] if proxy.get("restartPolicy") == "Always" else ["the proxy is no sidecar"]
    port = manifests.of("Service")["prefect-server"]["spec"]["ports"][0]["port"]
    url = manifests.config("prefect-worker")["PREFECT_API_URL"]
    found += [] if url == f"http://prefect-server:{port}/api" else [f"the worker calls {url}"]
    environment = {
        e["name"]: e["value"] for e in deploy_job()["spec"]["template"]["spec"]["containers"][0]["env"] if "value" in e
    }
    found += [] if environment["PREFECT_API_URL"] == url else ["the deploy Job calls another server"]
    observed = manifests.config("prefect-worker")["PREFECT_INTEGRATIONS_KUBERNETES_OBSERVER_NAMESPACES"]
    found += [] if observed == NAMESPACE else [f"the worker watches {observed}"]
    stored = manifests.config("prefect-worker")["PREFECT_INTEGRATIONS_KUBERNETES_WORKER_STORE_ENV_AS_SECRET"]
    return found + ([] if stored == "true" else ["a run's environment is shown in its Job"])
