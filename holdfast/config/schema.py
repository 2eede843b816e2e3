"""The JSON Schema of the configuration, for editors.

Promises: draft-07, every key with its description and default. It describes the spelling that is recommended: the loader
takes more than a schema can say (keys in any case, scalars in another type).

Never: used to validate; the models do that.
"""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from holdfast.config.settings import Settings
from holdfast.durations import Duration

_DRAFT: Final = "http://json-schema.org/draft-07/schema#"
_DEFINITIONS: Final = "#/definitions/"


class _Draft07(GenerateJsonSchema):
    """The generator that comes with pydantic, where it writes what draft-07 does not know."""

    schema_dialect = _DRAFT

    def encode_default(self, dft: Any) -> Any:
        """Durations and the like as the text that reads back to them."""
        if isinstance(dft, Duration) or hasattr(dft, "bytes_of"):
            return str(dft)
        return dft.model_dump(by_alias=True) if isinstance(dft, BaseModel) else super().encode_default(dft)


def json_schema() -> dict[str, Any]:
    """The schema, as JSON values."""
    schema = _rewritten(Settings.model_json_schema(schema_generator=_Draft07, ref_template=_DEFINITIONS + "{model}"))
    return {
        "$schema": _DRAFT,
        "title": "Holdfast configuration",
        **{key: schema[key] for key in schema if key != "title"},
    }


def _rewritten(node: Any) -> Any:
    if isinstance(node, list):
        return [_rewritten(item) for item in node]
    if not isinstance(node, dict):
        return node
    rewritten = {("definitions" if key == "$defs" else key): _rewritten(value) for key, value in node.items()}
    properties = rewritten.get("properties", {})
    for described in properties.values():
        # Made from the key by the generator; says nothing that the key does not.
        described.pop("title", None)
    if "const" in properties.get("name", {}):
        # A driver is known by its name alone.
        rewritten["required"] = ["name"]
    # OpenAPI's word; draft-07 has none for it, and every driver's name is a constant already.
    rewritten.pop("discriminator", None)
    if "$ref" in rewritten and len(rewritten) > 1:
        # Beside a $ref draft-07 reads nothing.
        rewritten["allOf"] = [{"$ref": rewritten.pop("$ref")}]
    return rewritten
