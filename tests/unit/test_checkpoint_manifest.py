"""What a manifest may say of a checkpoint is what the store takes."""

from __future__ import annotations

from importlib import import_module
from typing import Any, get_args

import msgspec
import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from spoold.core.checkpoint import Checkpoint
from spoold.errors import CheckpointError
from spoold.registry import CHECKPOINTS, make_checkpoint

MODELS: dict[str, type[BaseModel]] = {
    name: model
    for model in get_args(get_args(Checkpoint)[0])
    for name in get_args(model.model_fields["type"].annotation)
}
ADAPTER: TypeAdapter[BaseModel] = TypeAdapter(Checkpoint)
LEAST: dict[str, dict[str, Any]] = {
    "sqlite": {"path": "p.db"},
    "json": {"path": "d.json"},
    "offset": {"path": "o.json"},
    "redis": {"url": "redis://localhost"},
}


def test_every_store_has_a_model() -> None:
    """And every model a store; the journal is none."""
    assert set(MODELS) == {"journal", *CHECKPOINTS} == {"journal", *LEAST}


@pytest.mark.parametrize("kind", CHECKPOINTS)
def test_options_are_those_of_the_model(kind: str) -> None:
    """None that the store does not know; what is left out is for the store to fill in."""
    fields = {name: field.is_required() for name, field in MODELS[kind].model_fields.items() if name != "type"}
    options = import_module(CHECKPOINTS[kind].partition(":")[0]).Options
    assert fields == {field.encode_name: field.required for field in msgspec.structs.fields(options)}
    given = ADAPTER.validate_python({"type": kind, **LEAST[kind]}).model_dump(mode="json")
    by_json = msgspec.json.decode(msgspec.json.encode(given))
    assert make_checkpoint(by_json, job="demo", cwd="/srv").identity().startswith(f"{kind} ")


def test_stores_are_told_apart_by_what_they_are() -> None:
    """By the place and the name, by default the job's; never by a password, or how often it is written."""

    def identity(kind: str, job: str = "demo", **more: Any) -> str:
        return make_checkpoint({"type": kind, **LEAST[kind], **more}, job=job, cwd="/srv").identity()

    assert identity("sqlite") == "sqlite /srv/p.db demo"
    assert identity("sqlite", name="mine") == identity("sqlite", "other", name="mine")
    assert identity("json", interval=5.0) == identity("json", "other", path="/srv/d.json")
    redis = identity("redis", url="rediss://me:pa@host/1?password=secret", lease=5.0)
    assert redis == "redis rediss://me:***@host/1?password=*** batch:demo:"


@pytest.mark.parametrize(
    ("given", "seconds_or_items"), [(1, 1), (500, 500), ("5s", 5.0), ("1m", 60.0), ("250ms", 0.25)]
)
def test_an_interval_is_a_number_of_items_or_a_time(given: object, seconds_or_items: float) -> None:
    """And which of them it is survives on its way to the store."""
    spec = ADAPTER.validate_python({"type": "json", "path": "d.json", "interval": given}).model_dump(mode="json")
    found = msgspec.json.decode(msgspec.json.encode(spec))["interval"]
    assert (found, type(found)) == (seconds_or_items, type(seconds_or_items))


@pytest.mark.parametrize(
    "given",
    [
        {"type": "mongo"},
        {"type": "sqlite"},
        {"type": "sqlite", "path": ""},
        {"type": "sqlite", "path": "p.db", "interval": 50},
        {"type": "json", "path": "d.json", "interval": 0},
        {"type": "json", "path": "d.json", "interval": 1.5},
        {"type": "json", "path": "d.json", "interval": True},
        {"type": "json", "path": "d.json", "interval": "0s"},
        {"type": "json", "path": "d.json", "interval": "often"},
        {"type": "redis", "url": "localhost:6379"},
        {"type": "redis", "url": "redis://localhost", "lease": "10ms"},
        {"type": "redis", "url": "redis://localhost", "lease": 30},
        {"type": "offset", "path": 5},
    ],
)
def test_wrong_options_are_refused(given: dict[str, Any]) -> None:
    """By the model; the store itself refuses unknown ones and wrong types as well."""
    with pytest.raises(ValidationError):
        ADAPTER.validate_python(given)


def test_a_store_names_its_options() -> None:
    """Who calls it otherwise than by a manifest is told too."""
    with pytest.raises(CheckpointError, match="its options are path, name"):
        make_checkpoint({"type": "sqlite", "path": "p.db", "nmae": "x"}, job="demo", cwd="/")
    with pytest.raises(CheckpointError, match="there is no checkpoint 'mongo'; use one of journal, json"):
        make_checkpoint({"type": "mongo"}, job="demo", cwd="/")
