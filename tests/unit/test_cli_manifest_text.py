"""Keys added to the text of a manifest."""

from __future__ import annotations

import pytest

from spoold.cli.manifest_text import with_keys
from spoold.errors import ManifestError
from spoold.supervisor.strict_yaml import load

LAYOUTS = {
    "block.yaml": "handler: a:b\nsource: {type: range, stop: 3}\n",
    "no-newline.yaml": "handler: a:b\nsource: {type: range, stop: 3}",
    "indented.yaml": "---\n  handler: a:b\n  source:\n    type: range\n    stop: 3\n",
    "document-end.yaml": "handler: a:b\nparams: {x: '...'}\n...\n# the end\n",
    "block-scalar.yaml": "handler: a:b\nparams:\n  text: |+\n    one\n\n    two\n",
    "flow.yaml": "# {not this}\n{handler: a:b, source: {type: range, stop: 3,},}\n",
    "object.json": '{\n\t"handler": "a:b",\n\t"params": {"text": "\\ud83d\\ude00 {"}\n}\n',
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_new_keys_leave_every_other_line_where_it_was(name: str) -> None:
    """A key is added in every layout, the others keep their values and lines."""
    before, places = load(LAYOUTS[name].encode(), name=name)
    after, moved = load(with_keys(LAYOUTS[name].encode(), name, {"cwd": '/srv/a "b": é'}), name=name)
    assert after == {**before, "cwd": '/srv/a "b": é'}
    assert [moved.key((key,))[0] for key in before] == [places.key((key,))[0] for key in before]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.yaml", "run: old # why\nhandler: a:b\n"),
        ("b.yaml", "handler: a:b\nrun:\n  'old'\n"),
        ("c.yaml", "{run: old, handler: a:b}"),
        ("d.json", '{"run": "old", "handler": "a:b"}'),
    ],
)
def test_a_value_that_stands_there_is_replaced(name: str, text: str) -> None:
    """A key that the manifest has gets the new value, in its place."""
    after, _ = load(with_keys(text.encode(), name, {"run": "%Y-%m", "cwd": "/x"}), name=name)
    assert after == {"run": "%Y-%m", "handler": "a:b", "cwd": "/x"}


def test_without_keys_the_bytes_stay_as_they_are() -> None:
    """Nothing to add changes nothing, whatever it is."""
    assert with_keys(b"\xff{", "a.yaml", {}) == b"\xff{"


def test_a_value_that_no_manifest_can_hold_is_an_error() -> None:
    """A folder whose name is not UTF-8 can't be written into a manifest, and that is said."""
    with pytest.raises(ManifestError, match=r"write `cwd: /srv/\\xff` yourself"):
        with_keys(b"handler: a:b\n", "a.yaml", {"cwd": "/srv/\udcff"})
