"""Who may do what: service accounts as bearer tokens, and the Roles that are in the store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.kubernetes.fakekube import errors, resources
from tests.kubernetes.fakekube.resources import Resource
from tests.kubernetes.fakekube.store import Object, Store

ADMIN = "system:admin"
_PREFIX = "system:serviceaccount:"
_DISCOVERY = ("/api", "/apis", "/healthz", "/livez", "/openapi", "/readyz", "/version")


@dataclass(frozen=True)
class Request:
    """What is asked, in the terms of a Role. `resource` is None for a path like `/version`."""

    verb: str
    resource: Resource | None
    subresource: str | None
    namespace: str | None
    name: str | None
    path: str


def user_of(store: Store, authorization: str | None) -> str:
    """Who a request comes from: the admin without a token, else the service account that the token names, as
    `system:serviceaccount:<namespace>:<name>` or by its name alone, or with `user:<name>` a user of the cloud.

    Raises ApiError (401) when there is no such service account."""
    if not authorization:
        return ADMIN
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise errors.unauthorized()
    if token.startswith("user:"):
        return token.partition(":")[2]
    for account in store.every(resources.SERVICE_ACCOUNTS):
        full = f"{_PREFIX}{account['metadata']['namespace']}:{account['metadata']['name']}"
        if token.strip() in (full, account["metadata"]["name"]):
            return full
    raise errors.unauthorized()


def authorize(store: Store, user: str, request: Request) -> None:
    """Raises ApiError (403) with the body of a real server."""
    if allowed(store, user, request):
        return
    resource = request.resource
    if resource is None:
        why = f'forbidden: User "{user}" cannot {request.verb} path "{request.path}"'
        raise errors.ApiError(403, "Forbidden", why)
    shown = f"{resource.plural}/{request.subresource}" if request.subresource else resource.plural
    where = f'in the namespace "{request.namespace}"' if request.namespace else "at the cluster scope"
    why = f'User "{user}" cannot {request.verb} resource "{shown}" in API group "{resource.group}" {where}'
    raise errors.forbidden(resource, request.name, why)


def allowed(store: Store, user: str, request: Request) -> bool:
    if user == ADMIN or request.resource is resources.ACCESS_REVIEWS:
        return True
    if request.resource is None:
        return request.path.startswith(_DISCOVERY) and request.verb == "get"
    return any(_permits(rule, request) for rule in _rules(store, user, request.namespace))


def _rules(store: Store, user: str, namespace: str | None) -> Iterator[dict[str, Any]]:
    for binding in store.every(resources.CLUSTER_ROLE_BINDINGS):
        if _binds(binding, user):
            yield from _role(store, binding, None)
    for binding in store.every(resources.ROLE_BINDINGS, namespace) if namespace else ():
        if _binds(binding, user):
            yield from _role(store, binding, namespace)


def _binds(binding: Object, user: str) -> bool:
    namespace, name = user.removeprefix(_PREFIX).split(":") if user.startswith(_PREFIX) else ("", "")
    groups = {"system:authenticated"}
    if name:
        groups |= {"system:serviceaccounts", f"system:serviceaccounts:{namespace}"}
    for subject in binding.get("subjects") or ():
        match subject["kind"]:
            case "ServiceAccount" if (subject.get("namespace"), subject["name"]) == (namespace, name):
                return True
            case "User" if subject["name"] == user:
                return True
            case "Group" if subject["name"] in groups:
                return True
            case _:
                pass
    return False


def _role(store: Store, binding: Object, namespace: str | None) -> list[dict[str, Any]]:
    reference = binding["roleRef"]
    is_role = reference["kind"] == "Role"
    resource = resources.ROLES if is_role else resources.CLUSTER_ROLES
    role = store.find(resource, namespace if is_role else None, reference["name"])
    return (role or {}).get("rules") or []


def _permits(rule: dict[str, Any], request: Request) -> bool:
    assert request.resource is not None
    plural = request.resource.plural
    shown = f"{plural}/{request.subresource}" if request.subresource else plural
    named = rule.get("resourceNames")
    return (
        _has(rule.get("verbs"), request.verb)
        and _has(rule.get("apiGroups"), request.resource.group)
        and (_has(rule.get("resources"), shown) or f"*/{request.subresource}" in (rule.get("resources") or ()))
        and (not named or request.name in named)
    )


def _has(listed: list[str] | None, wanted: str) -> bool:
    return "*" in (listed or ()) or wanted in (listed or ())
