"""What plug-ins bring, named in a manifest."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from spoold.core.manifest import Manifest
from spoold.core.plugin import PluginOptions
from spoold.errors import ManifestError
from spoold.supervisor import manifests
from spoold.supervisor.config import Limits
from spoold.supervisor.manifests import parse

NAMES = {"sources": ["mbox", "sqs"], "checkpoints": ["stamps"], "engines": ["nice"]}
LEAST = "job: x\nhandler: pkg.mod:fn\n"
RANGE = LEAST + "source: {type: range, stop: 5}\n"


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Plug-ins are installed; the groups that were asked about."""
    asked: list[str] = []

    def names(group: str) -> list[str]:
        asked.append(group)
        return NAMES[group]

    monkeypatch.setattr(manifests, "plugin_names", names)
    return asked


def manifest(text: str) -> Manifest:
    """The manifest of a text."""
    return parse(text.encode(), "x.yaml", limits=Limits())


def test_a_plugin_gets_all_its_keys() -> None:
    """A source or checkpoint of a plug-in takes any keys, and the spec has them as they were written."""
    source = {"type": "sqs", "url": "https://x", "wait": 1.5, "deep": {"list": [1, None, True]}}
    text = LEAST + f"source: {json.dumps(source)}\ncheckpoint: {{type: stamps, path: done}}\nengine: nice\n"
    found = manifest(text)
    assert isinstance(found.source, PluginOptions)
    spec = found.spec()
    assert spec == json.loads(json.dumps(spec))
    assert (spec["source"], spec["engine"]) == (source, "nice")
    assert spec["checkpoint"] == {"type": "stamps", "path": "done"}


def test_what_is_built_in_asks_nobody(installed: list[str]) -> None:
    """A manifest that names no plug-in does not look for any."""
    text = RANGE + "checkpoint: {type: sqlite, path: a.db}\nengine: local\n"
    assert manifest(text).spec()["checkpoint"] == {"type": "sqlite", "path": "a.db", "name": None}
    assert manifest(RANGE).spec()["engine"] == "local"
    assert installed == []


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            LEAST + "source: {type: jsnol, path: a}\n",
            "x.yaml:3:16: unknown type 'jsnol' of `source`; did you mean 'jsonl'?",
        ),
        (LEAST + "source: {type: mboks}\n", "x.yaml:3:16: unknown type 'mboks' of `source`; did you mean 'mbox'?"),
        (
            LEAST + "source: {type: zzz}\n",
            "x.yaml:3:16: unknown type 'zzz' of `source`; use one of jsonl, csv, lines, ",
        ),
        (
            RANGE + "checkpoint: {type: stmps}\n",
            "x.yaml:4:20: unknown type 'stmps' of `checkpoint`; did you mean 'stamps'?",
        ),
        (RANGE + "engine: nicer\n", "x.yaml:4:9: unknown `engine` 'nicer'; did you mean 'nice'?"),
        (RANGE + "engine: slurm\n", "x.yaml:4:9: unknown `engine` 'slurm'; use one of local, nice"),
        (LEAST + "source: {path: a}\n", "x.yaml:3:9: `type` of `source` is missing; add it"),
        (LEAST + "source: {type: 5}\n", "x.yaml:3:16: unknown type '5' of `source`; use one of jsonl"),
        (LEAST + "source: mbox\n", "x.yaml:3:9: `source` must be a mapping, found the text 'mbox'"),
        (LEAST + "source: {type: jsonl, path: a, pth: b}\n", "x.yaml:3:32: unknown key 'pth'; did you mean 'path'?"),
    ],
)
def test_a_mistake_is_told_as_before(text: str, line: str) -> None:
    """A misspelt name is told with its place and the nearest of those built in and those installed."""
    with pytest.raises(ManifestError) as caught:
        manifest(text)
    assert str(caught.value).startswith(line)


def test_without_a_context_there_are_no_plugins() -> None:
    """The model itself knows what is built in."""
    with pytest.raises(ValidationError, match="unknown type 'mbox'"):
        Manifest.model_validate({"job": "x", "handler": "a:b", "source": {"type": "mbox"}})


def test_the_schema_allows_them() -> None:
    """The JSON Schema takes any source whose type is not built in, and holds those that are to their options."""
    branches = Manifest.model_json_schema()["properties"]["source"]["oneOf"]
    *built_in, other = branches
    assert all("$ref" in branch for branch in built_in)
    assert "jsonl" in other["properties"]["type"]["not"]["enum"]
    assert len(other["properties"]["type"]["not"]["enum"]) == len(built_in)
