"""What a manifest may say of a source is what the source takes."""

from __future__ import annotations

from importlib import import_module
from typing import Any, get_args

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from spoold.core.source import Source
from spoold.registry import SOURCES, make_source

MODELS: dict[str, type[BaseModel]] = {
    name: model for model in get_args(get_args(Source)[0]) for name in get_args(model.model_fields["type"].annotation)
}
ADAPTER: TypeAdapter[BaseModel] = TypeAdapter(Source)


def test_every_source_has_a_model() -> None:
    """And every model a source."""
    assert set(MODELS) == set(SOURCES)


@pytest.mark.parametrize("kind", SOURCES)
def test_options_are_those_of_the_model(kind: str) -> None:
    """None that the source does not know, and the same that must be there."""
    module = import_module(SOURCES[kind].partition(":")[0])
    options = getattr(module, "Options", None) or import_module("spoold.sources.textfile").Options
    fields = {name: field.is_required() for name, field in MODELS[kind].model_fields.items() if name != "type"}
    known = dict.fromkeys(options.__struct_fields__, True) | dict.fromkeys(
        options.__struct_fields__[len(options.__struct_fields__) - len(options.__struct_defaults__) :], False
    )
    assert fields == {name: required for name, required in known.items() if name in fields}
    assert set(known) - set(fields) <= {"strict"}


@pytest.mark.parametrize(
    "given",
    [
        {"type": "parquet", "path": "d/*.parquet"},
        {"type": "sql", "url": "sqlite:///d.db", "query": "SELECT 1"},
        {"type": "pages", "fetch": "pkg.shop:fetch"},
        {"type": "pages", "fetch": "shop:Client", "page_size": 7, "cursor": True},
        {"type": "stream", "iterate": "shop:items"},
    ],
)
def test_what_a_model_takes_makes_a_source(given: dict[str, Any]) -> None:
    """It is read elsewhere, and nothing is looked for before that."""
    source = make_source(ADAPTER.validate_python(given).model_dump(mode="json"), "/nowhere")
    assert source.foreign


@pytest.mark.parametrize(
    "given",
    [
        {"type": "pages", "fetch": "no colon"},
        {"type": "pages", "fetch": "a:b", "page_size": 0},
        {"type": "pages", "fetch": "a:b", "params": {}},
        {"type": "stream", "iterate": "a"},
        {"type": "sql", "url": "sqlite://", "query": ""},
        {"type": "parquet"},
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, Any]) -> None:
    """Before anything is imported or read."""
    with pytest.raises(ValidationError):
        ADAPTER.validate_python(given)
