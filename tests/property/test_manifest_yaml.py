"""The strict reader against arbitrary documents."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from spoold.errors import ManifestError
from spoold.supervisor.config import Limits
from spoold.supervisor.manifests import parse
from spoold.supervisor.strict_yaml import load

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cf", "Cs", "Cn", "Zl", "Zp"]), max_size=12)
WORDS = st.sampled_from(["no", "0755", "1e3", "12:30", "~", "<<", "=", "2024-01-01", "- a", "a: b", "#", "null", "*a"])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
)
VALUES = st.recursive(
    SCALARS | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT | WORDS, inner, max_size=4),
    max_leaves=12,
)
DOCUMENTS = st.dictionaries(TEXT | WORDS, VALUES, max_size=5)
PIECES = st.sampled_from(
    ["a", ": ", "- ", "\n", "  ", "[", "]", "{", "}", ",", "&x ", "*x", "!!set ", "|", ">", "'", '"', "#", "? ", "<<",
     "---", "...", "%YAML 1.1", "\t", "job", "\\", "\x1b", "no", "1", "é", "\u202e"]
)  # fmt: skip


@given(DOCUMENTS)
def test_json_is_read_exactly(value: dict[str, Any]) -> None:
    """Whatever JSON says is what is read, with and without escapes and layout."""
    for options in ({}, {"ensure_ascii": False}, {"indent": "\t"}):
        text = json.dumps(value, **options)
        assert load(text.encode(), name="x.json", nesting=64)[0] == value


@given(DOCUMENTS)
def test_yaml_is_read_exactly_or_refused(value: dict[str, Any]) -> None:
    """What another program wrote as YAML is read as it was meant, or refused; never as something else."""
    for style in (None, True, False):
        text = yaml.safe_dump(value, allow_unicode=True, default_flow_style=style)
        with contextlib.suppress(ManifestError):
            assert load(text.encode(), name="x.yaml", nesting=64)[0] == value


@settings(max_examples=300)
@given(st.binary(max_size=200) | st.lists(PIECES, max_size=40).map(lambda parts: "".join(parts).encode()))
def test_any_bytes_end_in_a_manifest_or_one_line(data: bytes) -> None:
    """No bytes raise anything but a refusal of one printable line with a place inside or just after the document."""
    for name in ("x.yaml", "x.json"):
        error = refusal(data, name)
        if error is not None:
            assert str(error).isprintable()
            assert 1 <= error.line <= data.count(b"\n") + data.count(b"\r") + 2
            assert 1 <= error.column <= len(data) + 2


def refusal(data: bytes, name: str) -> ManifestError | None:
    """What the bytes are refused with, if they are."""
    try:
        parse(data, name, limits=Limits(), workers=8)
    except ManifestError as error:
        return error
    return None
