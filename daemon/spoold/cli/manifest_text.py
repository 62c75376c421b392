"""Adding keys to a manifest's text without disturbing what stands there: every line keeps its number.

In a block mapping new keys are appended at its end; in a flow mapping or JSON object they are put behind the opening
brace. A value that stands there already is replaced in its place. What comes out is read again and compared, so that an
unusual layout leads to an error and never to another manifest.
"""

from __future__ import annotations

import json
import re
from typing import Final

import yaml

from spoold.core.text import printable
from spoold.errors import ManifestError
from spoold.supervisor.strict_yaml import load

_END: Final = re.compile(r"^\.\.\.(?=\s|$)", re.MULTILINE)


def with_keys(data: bytes, name: str, keys: dict[str, str]) -> bytes:
    """The manifest with these keys set.

    Args:
        data: a manifest that can be read.
        name: what messages call it; one that ends in `.json` is JSON.
        keys: and their values.

    Raises:
        ManifestError: it can't be read, or its layout leaves no place for them.
    """
    if not keys:
        return data
    value, _ = load(data, name=printable(name))
    made = _set(data.decode(), name, keys, set(value)).encode(errors="surrogateescape")
    try:
        again, _ = load(made, name=printable(name))
    except ManifestError:
        again = {}
    if again != value | keys:
        shown = " and ".join(f"`{key}: {printable(text)}`" for key, text in keys.items())
        raise ManifestError("there is no place for more keys", name=printable(name), remedy=f"write {shown} yourself")
    return made


def _set(text: str, name: str, keys: dict[str, str], there: set[str]) -> str:
    if name.endswith(".json"):
        if there.isdisjoint(keys):
            return _behind_brace(text, text.index("{") + 1, keys)
        return json.dumps(json.loads(text) | keys, indent=2, ensure_ascii=False) + "\n"
    root = yaml.compose(text, Loader=yaml.CSafeLoader)
    assert isinstance(root, yaml.MappingNode)
    for key, value in reversed(root.value):
        if key.value in keys:
            written = _quoted(keys[key.value])
            text = text[: value.start_mark.index] + written + text[value.end_mark.index :]
    new = {key: value for key, value in keys.items() if key not in there}
    if not new:
        return text
    if root.flow_style:
        return _behind_brace(text, root.start_mark.index + 1, new)
    return _appended(text, " " * root.start_mark.column, new)


def _behind_brace(text: str, at: int, keys: dict[str, str]) -> str:
    pairs = "".join(f"{_quoted(key)}: {_quoted(value)}, " for key, value in keys.items())
    return text[:at] + pairs + text[at:]


def _appended(text: str, indent: str, keys: dict[str, str]) -> str:
    lines = "".join(f"{indent}{key}: {_quoted(value)}\n" for key, value in keys.items())
    end = _END.search(text)
    at = end.start() if end else len(text)
    body = text[:at]
    return f"{body}{'' if body.endswith(chr(10)) else chr(10)}{lines}{text[at:]}"


def _quoted(text: str) -> str:
    """The text in double quotes, as both YAML and JSON read it."""
    return json.dumps(text, ensure_ascii=False)
