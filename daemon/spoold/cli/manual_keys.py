"""The keys that a JSON Schema of ours describes, as a manual lists them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Key:
    """A key.

    Attributes:
        name: of it.
        kind: of value that it takes.
        text: what it means, and its default.
        depth: how many keys it stands in.
    """

    name: str
    kind: str
    text: str
    depth: int


def keys(schema: dict[str, Any]) -> Iterator[Key]:
    """The keys of a schema, each followed by those of its mappings."""
    yield from _of(schema, schema.get("$defs", {}), 0)


def _of(schema: dict[str, Any], definitions: dict[str, Any], depth: int) -> Iterator[Key]:
    required = schema.get("required", ())
    for name, about in schema["properties"].items():
        if "const" in about:
            continue  # the name of a kind, which its heading says
        yield Key(name, _kind(about), _text(about, definitions, needed=name in required), depth)
        for inner in _alternatives(about):
            found = _resolved(inner, definitions)
            if "const" in found.get("properties", {}).get("type", {}):
                kind = found["properties"]["type"]["const"]
                yield Key(f"type: {kind}", "", found.get("description", ""), depth + 1)
                yield from _of(found, definitions, depth + 2)
            elif found.get("properties", {}).keys() - {"type"}:  # what a plug-in brings has no keys that we know
                yield from _of(found, definitions, depth + 1)


def _alternatives(about: dict[str, Any]) -> list[dict[str, Any]]:
    return about.get("anyOf") or about.get("oneOf") or [about]


def _resolved(about: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = definitions[about["$ref"].rpartition("/")[2]] if "$ref" in about else about
    return found


def _kind(about: dict[str, Any]) -> str:
    kinds = [_one_kind(one) for one in _alternatives(about) if one.get("type") != "null"]
    return " or ".join(dict.fromkeys(kinds))


def _one_kind(about: dict[str, Any]) -> str:
    if "const" in about:
        return str(about["const"])
    if "enum" in about:
        return ", ".join(map(str, about["enum"]))
    if about.get("type") == "string" and "examples" in about:
        return f"such as {', '.join(about['examples'])}"
    if "$ref" in about or about.get("type") == "object":
        return "mapping"
    if about.get("type") == "array":
        return f"list of {_kind(about['items'])}" if about.get("items") else "list"
    return _kind(about) if "anyOf" in about else str(about.get("type", "any"))


def _text(about: dict[str, Any], definitions: dict[str, Any], *, needed: bool) -> str:
    text = " ".join((about.get("description") or _resolved(about, definitions).get("description") or "").split())
    default = about.get("default")
    if needed:
        return f"{text} Required."
    if default is None or isinstance(default, dict) or "Default" in text:
        return text
    return f"{text} Default: {default if isinstance(default, str) else json.dumps(default)}."
