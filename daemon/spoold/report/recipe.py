"""A job's manifest as a report shows it: without its secrets, and not at any length."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import yaml

_LINES: Final = 120
_LINE: Final = 160  # characters
_HIDDEN: Final = "(hidden)"
_SECRET: Final = re.compile(r"pass|secret|token|credential|api_?key|private", re.IGNORECASE)
_PASSWORD: Final = re.compile(r"(://[^/:@\s]*:)[^/@\s]*@")


@dataclass(frozen=True, slots=True)
class Recipe:
    """What was to be done.

    Attributes:
        lines: of the manifest, secrets hidden.
        left_out: how many more lines it has.
        settings: its keys and values.
    """

    lines: list[str] = field(default_factory=list)
    left_out: int = 0
    settings: dict[str, Any] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """A setting in one line; empty if it is not there."""
        value = self.settings.get(name)
        if isinstance(value, dict):
            return ", ".join(f"{key} {one}" for key, one in value.items() if not isinstance(one, list | dict))
        if isinstance(value, list):
            return " ".join(map(str, value))
        return "" if value is None else str(value)


def read_recipe(path: str) -> Recipe:
    """The manifest at `path`; an empty one if it can't be read any more."""
    import yaml  # noqa: PLC0415 - takes long, and only who makes a report needs it

    try:
        with open(path, encoding="utf-8") as file:
            node = yaml.compose(file, Loader=yaml.SafeLoader)
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return Recipe()
    if not isinstance(node, yaml.MappingNode):
        return Recipe()
    _hide(node, all_of_it=False)
    node.flow_style = False
    lines = yaml.serialize(node, Dumper=yaml.SafeDumper, allow_unicode=True, width=100).splitlines()
    settings = yaml.SafeLoader("").construct_document(node)
    shown = [line if len(line) <= _LINE else line[: _LINE - 1] + "…" for line in lines[:_LINES]]
    return Recipe(shown, max(0, len(lines) - _LINES), settings)


def _hide(node: yaml.Node, *, all_of_it: bool) -> None:
    """Hide the values of `env`, of keys that sound like secrets, and passwords in urls."""
    import yaml  # noqa: PLC0415 - as above

    if isinstance(node, yaml.ScalarNode):
        if all_of_it:
            node.value, node.tag, node.style = _HIDDEN, "tag:yaml.org,2002:str", None
        elif "://" in node.value:
            node.value = _PASSWORD.sub(rf"\1{_HIDDEN}@", node.value)
    elif isinstance(node, yaml.SequenceNode):
        for one in node.value:
            _hide(one, all_of_it=all_of_it)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else ""
            _hide(value, all_of_it=all_of_it or name == "env" or _SECRET.search(name) is not None)
