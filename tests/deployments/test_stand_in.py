"""The stand-in for the google provider, asked as OpenTofu asks it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import msgpack
import pytest

from tests.deployments.spelling import provider
from tests.deployments.stand_in.protocol import MESSAGES, METHODS
from tests.deployments.stand_in.provider import running

Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def ask() -> Iterator[Ask]:
    """Calls one method with the fields of its message."""
    with running() as environment:
        found = json.loads(environment["TF_REATTACH_PROVIDERS"])
        with grpc.insecure_channel(found["registry.opentofu.org/hashicorp/google"]["Addr"]["String"]) as channel:

            def asked(method: str, **fields: Any) -> Any:
                takes, answers = METHODS[method]
                call = channel.unary_unary(
                    f"/tfplugin5.Provider/{method}",
                    request_serializer=MESSAGES[takes].SerializeToString,
                    response_deserializer=MESSAGES[answers].FromString,
                )
                return call(MESSAGES[takes](**fields), timeout=30)

            yield asked


def _value(body: dict[str, Any] | None) -> Any:
    return MESSAGES["DynamicValue"](msgpack=msgpack.packb(body))


def _topic(name: str) -> dict[str, Any]:
    schema = provider()["types"]["google_pubsub_topic"]
    names = {*schema["attributes"], *schema["exports"], "id"}
    return {**dict.fromkeys(names), **{block: [] for block in schema["blocks"]}, "name": name}


def test_it_tells_the_schema_of_every_kept_type(ask: Ask) -> None:
    answer = ask("GetSchema")
    told = {entry.key for entry in answer.resource_schemas} | {f"data.{e.key}" for e in answer.data_source_schemas}
    assert told == set(provider()["types"])
    bucket = next(e.value.block for e in answer.resource_schemas if e.key == "google_storage_bucket")
    assert {a.name for a in bucket.attributes if a.required} == {"name", "location"}
    assert {b.type_name: b.max_items for b in bucket.block_types}["versioning"] == 1
    assert {b.type_name: b.max_items for b in bucket.block_types}["lifecycle_rule"] == 0


def test_what_is_known_after_apply_is_unknown_in_the_plan_and_known_then(ask: Ask) -> None:
    planned = ask("PlanResourceChange", type_name="google_pubsub_topic", proposed=_value(_topic("events")))
    unpacked = msgpack.unpackb(planned.value.msgpack, ext_hook=msgpack.ExtType)
    assert isinstance(unpacked["id"], msgpack.ExtType)
    assert unpacked["name"] == "events"
    applied = ask("ApplyResourceChange", type_name="google_pubsub_topic", proposed=planned.value)
    assert msgpack.unpackb(applied.value.msgpack)["id"] == "id of google_pubsub_topic events"


def test_a_destroyed_resource_is_nothing(ask: Ask) -> None:
    planned = ask("PlanResourceChange", type_name="google_pubsub_topic", proposed=_value(None))
    assert msgpack.unpackb(planned.value.msgpack) is None


def test_a_state_of_before_is_handed_back_as_it_was(ask: Ask) -> None:
    old = MESSAGES["RawState"](json=b'{"name": "events"}')
    assert ask("UpgradeResourceState", type_name="google_pubsub_topic", raw_state=old).value.json == old.json
