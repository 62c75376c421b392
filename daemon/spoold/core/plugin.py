"""What a manifest may name that plug-ins bring: nobody knows its options but the plug-in.

The names come with pydantic's validation context, a function from a group (sources, checkpoints, engines) to its
plug-ins; it is asked only about what is not built in. Without a context there are none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, get_args

from pydantic import ConfigDict, Field, JsonValue, ValidationInfo
from pydantic_core import PydanticCustomError, core_schema

from spoold.core.values import Part

if TYPE_CHECKING:
    from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue

Name = Annotated[str, Field(min_length=1, max_length=64)]
LOCAL: Final = "local"


class PluginOptions(Part):
    """Something that a plug-in brings; its other keys are the plug-in's."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, JsonValue]

    type: Name


class OrPlugin:
    """Marks a union of models, PluginOptions among them, that are told apart by `type`."""

    def __init__(self, group: str) -> None:
        self._group = group

    def __get_pydantic_core_schema__(self, union: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        models = [model for model in get_args(union) if model is not PluginOptions]
        known = [name for model in models for name in get_args(model.model_fields["type"].annotation)]
        built_in = handler.generate_schema(Annotated[_union(models), Field(discriminator="type")])

        def choose(value: Any, validate: core_schema.ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
            name = value.get("type") if isinstance(value, dict) else None
            if not isinstance(name, str) or name in known:
                return validate(value)
            added = _added(self._group, info)
            if name in added:
                return PluginOptions.model_validate(value)
            tags = {"tag": name, "expected_tags": ", ".join([*known, *added])}
            raise PydanticCustomError("union_tag_invalid", "unknown type '{tag}'", tags)

        return core_schema.with_info_wrap_validator_function(
            choose, built_in, serialization=core_schema.plain_serializer_function_ser_schema(_plain)
        )

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        found = handler(schema)
        known = list(found["discriminator"]["mapping"])
        found["oneOf"].append(
            {
                "description": PluginOptions.__doc__,
                "type": "object",
                "properties": {"type": {"type": "string", "not": {"enum": known}}},
                "required": ["type"],
            }
        )
        return found


def engine_name(value: str, info: ValidationInfo) -> str:
    """Checks the name of an engine.

    Raises:
        PydanticCustomError: there is none of this name.
    """
    if value != LOCAL and value not in (added := _added("engines", info)):
        raise PydanticCustomError("unknown_name", "unknown", {"name": value, "known": ", ".join([LOCAL, *added])})
    return value


def _added(group: str, info: ValidationInfo) -> list[str]:
    return [] if info.context is None else info.context(group)


def _union(models: list[type[BaseModel]]) -> Any:
    union: Any = models[0]
    for model in models[1:]:
        union |= model
    return union


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json")
