"""The part of Terraform's plugin protocol 5 that planning and applying use, as protobuf classes.

Source: Terraform's docs/plugin-protocol/tfplugin5.proto; the field numbers are the protocol. Fields that are left out
have their defaults.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_PACKAGE = "tfplugin5"
_SCALARS = {"string": 9, "bytes": 12, "bool": 8, "int64": 3, "int32": 5}
_MESSAGES = {
    "DynamicValue": "msgpack:bytes:1",
    "RawState": "json:bytes:1",
    "Attribute": "name:string:1 type:bytes:2 required:bool:4 optional:bool:5 computed:bool:6",
    "Block": "version:int64:1 attributes:*Attribute:2 block_types:*NestedBlock:3",
    "NestedBlock": "type_name:string:1 block:Block:2 nesting:int32:3 min_items:int64:4 max_items:int64:5",
    "Schema": "version:int64:1 block:Block:2",
    "NamedSchema": "key:string:1 value:Schema:2",
    "Nothing": "",
    "GetSchema": "provider:Schema:1 resource_schemas:*NamedSchema:2 data_source_schemas:*NamedSchema:3",
    "Typed": "type_name:string:1 config:DynamicValue:2",
    "Config": "config:DynamicValue:1",
    "Upgrade": "type_name:string:1 version:int64:2 raw_state:RawState:3",
    "State": "type_name:string:1 current_state:DynamicValue:2",
    "Change": "type_name:string:1 prior_state:DynamicValue:2 proposed:DynamicValue:3 config:DynamicValue:4",
    "Value": "value:DynamicValue:1",
    "Planned": "value:DynamicValue:1 legacy_type_system:bool:5",
    "Applied": "value:DynamicValue:1 legacy_type_system:bool:4",
    "OldValue": "json:bytes:2",
    "Upgraded": "value:OldValue:1",
}
"""Fields as name:type:number. On the wire only numbers count, so messages of one shape share a class; `OldValue` is a
DynamicValue by its other field."""
METHODS = {
    "GetSchema": ("Nothing", "GetSchema"),
    "PrepareProviderConfig": ("Config", "Value"),
    "ValidateResourceTypeConfig": ("Typed", "Nothing"),
    "ValidateDataSourceConfig": ("Typed", "Nothing"),
    "UpgradeResourceState": ("Upgrade", "Upgraded"),
    "Configure": ("Typed", "Nothing"),
    "ReadResource": ("State", "Value"),
    "PlanResourceChange": ("Change", "Planned"),
    "ApplyResourceChange": ("Change", "Applied"),
    "ReadDataSource": ("Typed", "Value"),
    "Stop": ("Nothing", "Nothing"),
}
"""Method → message it takes, message it answers with."""


def _classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="stand_in.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field in fields.split():
            label, kind, number = field.split(":")
            many, kind = kind.startswith("*"), kind.removeprefix("*")
            added = message.field.add(name=label, number=int(number), label=3 if many else 1)
            if kind in _SCALARS:
                added.type = _SCALARS[kind]
            else:
                added.type, added.type_name = 11, f".{_PACKAGE}.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in _MESSAGES
    }


MESSAGES: dict[str, Any] = _classes()
