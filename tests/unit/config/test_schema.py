"""Every setting is documented, and the schema says so in draft-07."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from holdfast.config import Settings, json_schema, secretfiles
from holdfast.config.section import Section
from holdfast.config.shape import ListOf, NamesOf, Tagged, keys_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel


def every_model(kind: Any) -> Iterator[type[BaseModel]]:
    if isinstance(kind, ListOf | NamesOf):
        yield from every_model(kind.item)
    elif isinstance(kind, Tagged):
        for _, model in kind.models:
            yield from every_model(model)
    elif isinstance(kind, type):
        yield kind
        for _, inner in keys_of(kind).values():
            yield from every_model(inner)


def test_every_setting_has_a_description() -> None:
    models = {
        *every_model(Settings),
        *(m for m in vars(secretfiles).values() if isinstance(m, type) and issubclass(m, Section)),
    }
    assert len(models) > 50
    for model in models:
        assert model.__doc__, model
        for name, info in model.model_fields.items():
            assert info.description, f"{model.__name__}.{name}"
            assert info.description.endswith((".", '".')), f"{model.__name__}.{name}"


def test_fields_are_snake_case_and_keys_are_not_given_twice() -> None:
    for model in set(every_model(Settings)):
        assert all(name == name.lower() for name in model.model_fields)
        assert len(keys_of(model)) == len(model.model_fields)


def test_the_schema_is_complete_draft_07() -> None:
    schema = json_schema()
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    text = json.dumps(schema)
    assert "$defs" not in text
    assert "prefixItems" not in text
    references = {value for node in nodes(schema) for key, value in node.items() if key == "$ref"}
    assert references == {f"#/definitions/{name}" for name in schema["definitions"]}
    for node in nodes(schema):
        assert "$ref" not in node or len(node) == 1
    for model in set(every_model(Settings)) - {Settings}:
        described = schema["definitions"][model.__name__]
        assert set(described["properties"]) == {spelling for spelling, _ in keys_of(model).values()}
        assert described["additionalProperties"] is False


def nodes(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from nodes(value)
    elif isinstance(node, list):
        for value in node:
            yield from nodes(value)


def test_drivers_are_told_apart_by_name() -> None:
    definitions = json_schema()["definitions"]
    for model, name in (("S3", "s3"), ("Gcs", "gcs"), ("Azure", "azure"), ("Redis", "redis"), ("DynamoDb", "dynamodb")):
        assert definitions[model]["required"] == ["name"]
        assert definitions[model]["properties"]["name"]["const"] == name


def test_defaults_are_written_as_they_are_read() -> None:
    storage = json_schema()["definitions"]["Storage"]["properties"]
    assert storage["gcDelay"]["default"] == "1h0m0s"
    assert storage["freeSpaceReserve"]["default"] == "256MiB"
