"""A stand-in for the google provider: its schema, and no Google behind it.

It checks what the schema says (names, required arguments, types), plans every computed attribute as unknown, and on
apply fills in something that can be told from a real value. It knows nothing of what Google's servers refuse.
"""

from __future__ import annotations

import json
import os
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import msgpack

from tests.deployments.spelling import provider
from tests.deployments.stand_in.protocol import MESSAGES, METHODS

_UNKNOWN = msgpack.ExtType(0, b"\x00")
_LIST = 2
_TYPES = {"string": "string", "number": "number", "bool": "bool", "any": "dynamic", "object": "dynamic"}
_ADDRESSES = ("registry.terraform.io/hashicorp/google", "registry.opentofu.org/hashicorp/google")


@contextmanager
def running() -> Generator[dict[str, str]]:
    """The stand-in on a free port of this machine; yields the environment in which tofu and terraform find it."""
    server = grpc.server(ThreadPoolExecutor(8))
    handlers = {
        name: grpc.unary_unary_rpc_method_handler(
            getattr(_Provider(), name),
            request_deserializer=MESSAGES[takes].FromString,
            response_serializer=MESSAGES[answers].SerializeToString,
        )
        for name, (takes, answers) in METHODS.items()
    }
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("tfplugin5.Provider", handlers)])
    address = {"Network": "tcp", "String": f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"}
    where = {"Protocol": "grpc", "ProtocolVersion": 5, "Pid": os.getpid(), "Test": True, "Addr": address}
    server.start()
    try:
        yield {"TF_REATTACH_PROVIDERS": json.dumps(dict.fromkeys(_ADDRESSES, where))}
    finally:
        server.stop(None).wait()


class _Provider:
    """One method for each of the protocol's."""

    def GetSchema(self, _request: Any, _context: Any) -> Any:  # noqa: N802 - the protocol's names
        answer = MESSAGES["GetSchema"](provider=_schema(provider()["provider"], computed=False))
        for kind, schema in provider()["types"].items():
            into = answer.data_source_schemas if kind.startswith("data.") else answer.resource_schemas
            into.add(key=kind.removeprefix("data."), value=_schema(schema, computed=True))
        return answer

    def PrepareProviderConfig(self, request: Any, _context: Any) -> Any:  # noqa: N802
        return MESSAGES["Value"](value=request.config)

    def ValidateResourceTypeConfig(self, _request: Any, _context: Any) -> Any:  # noqa: N802
        return MESSAGES["Nothing"]()

    ValidateDataSourceConfig = Configure = Stop = ValidateResourceTypeConfig

    def UpgradeResourceState(self, request: Any, _context: Any) -> Any:  # noqa: N802
        return MESSAGES["Upgraded"](value=MESSAGES["OldValue"](json=request.raw_state.json))

    def ReadResource(self, request: Any, _context: Any) -> Any:  # noqa: N802
        return MESSAGES["Value"](value=request.current_state)

    def PlanResourceChange(self, request: Any, _context: Any) -> Any:  # noqa: N802
        planned = _decoded(request.proposed)
        for name in _computed(provider()["types"][request.type_name]) if planned else ():
            if planned[name] is None:
                planned[name] = _UNKNOWN
        return MESSAGES["Planned"](value=_encoded(planned), legacy_type_system=True)

    def ApplyResourceChange(self, request: Any, _context: Any) -> Any:  # noqa: N802
        made = _decoded(request.proposed)
        for name in _computed(provider()["types"][request.type_name]) if made else ():
            if isinstance(made[name], msgpack.ExtType):
                made[name] = _made_up(request.type_name, name, made)
        return MESSAGES["Applied"](value=_encoded(made), legacy_type_system=True)

    def ReadDataSource(self, request: Any, _context: Any) -> Any:  # noqa: N802
        found = _decoded(request.config)
        for name in _computed(provider()["types"][f"data.{request.type_name}"]):
            found[name] = found[name] or _made_up(request.type_name, name, found)
        return MESSAGES["Value"](value=_encoded(found))


def _schema(schema: dict[str, Any], *, computed: bool) -> Any:
    return MESSAGES["Schema"](block=_block(schema, _computed(schema) if computed else []))


def _block(schema: dict[str, Any], computed: list[str]) -> Any:
    block = MESSAGES["Block"]()
    for name, kind in schema["attributes"].items():
        required = name in schema["required"]
        block.attributes.add(
            name=name, type=_type(kind), required=required, optional=not required, computed=name in computed
        )
    for name in computed:
        if name not in schema["attributes"]:
            block.attributes.add(name=name, type=b'"string"', computed=True)
    for name, inner in schema["blocks"].items():
        if name != "timeouts":
            most, least = 0 if inner["many"] else 1, 1 if name in schema["required"] else 0
            block.block_types.add(
                type_name=name, block=_block(inner, []), nesting=_LIST, max_items=most, min_items=least
            )
    return block


def _type(kind: str) -> bytes:
    """Terraform's word for a type: `"string"`, `["list","string"]`."""
    shape, _, inner = kind.rstrip(")").partition("(")
    if not inner:
        return json.dumps(_TYPES[kind]).encode()
    return json.dumps([shape, "string" if inner in ("any", "object") else inner]).encode()


def _computed(schema: dict[str, Any]) -> list[str]:
    return ["id", *(n for n in schema["exports"] if n not in schema["attributes"] and n != "id")]


def _made_up(kind: str, name: str, body: dict[str, Any]) -> str:
    if kind == "google_service_account":
        email = f"{body['account_id']}@{body['project']}.iam.gserviceaccount.com"
        full = f"projects/{body['project']}/serviceAccounts/{email}"
        return {"email": email, "member": f"serviceAccount:{email}", "name": full, "id": full}.get(name, name)
    if name == "number":
        return "123456789012"
    of = next((body[n] for n in ("name", "dataset_id", "secret_id") if isinstance(body.get(n), str)), "it")
    return f"{name} of {kind} {of}"


def _decoded(value: Any) -> Any:
    return msgpack.unpackb(value.msgpack, ext_hook=msgpack.ExtType, strict_map_key=False)


def _encoded(value: Any) -> Any:
    return MESSAGES["DynamicValue"](msgpack=msgpack.packb(value))
