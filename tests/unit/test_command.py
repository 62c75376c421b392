"""What a control file may say."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest

from spoold.errors import ManifestError
from spoold.supervisor.command import control, parse
from spoold.supervisor.drop import Drop, Identity


def drop(text: str) -> Drop:
    """A dropped file with this content."""
    data = text.encode()
    identity = Identity(mode=0o100600, uid=7, links=1, size=len(data), dev=1, ino=2, mtime_ns=3, ctime_ns=4)
    return Drop("control", "c.yaml", identity, data)


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("verb: pause\njob: a", {"verb": "pause", "job": "a"}),
        ("verb: scale\njob: a\nworkers: 3", {"workers": 3}),
        ('{"verb": "resolve", "job": "a", "id": "x", "outcome": "ok"}', {"id": "x", "outcome": "ok"}),
        ("verb: resolve\njob: a\nid: 5\noutcome: retry", {"id": "5", "outcome": "retry"}),
        (f"verb: resolve\njob: a\nid: {'x' * 513}\noutcome: ok", {"id": f"sha256:{sha256(b'x' * 513).hexdigest()}"}),
    ],
)
def test_commands(text: str, keys: dict[str, Any]) -> None:
    """Each verb has its keys; an id is compared as text, and a long one by its digest."""
    command = parse(drop(text))
    for name, value in keys.items():
        assert getattr(command, name) == value


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("verb: resolve\njob: a\noutcome: ok", "c.yaml:1:1: `id` is missing; add it"),
        ("verb: resolve\njob: a\nid: x", "c.yaml:1:1: `outcome` is missing; add it"),
        ("verb: resolve\njob: a\nid:\noutcome: ok", "c.yaml:3:4: `id` is missing; add it"),
        ("verb: resolve\njob: a\nid: 1.5\noutcome: ok", "c.yaml:3:5: `id`: an id is text or an integer"),
        ("verb: resolve\njob: a\nid: ''\noutcome: ok", "c.yaml:3:5: `id`: the id is empty"),
        ("verb: resolve\njob: a\nid: x\noutcome: maybe", "c.yaml:4:10: `outcome`: input should be 'ok' or 'retry'"),
        ("verb: pause\njob: a\nid: x", "c.yaml:3:1: `id` belongs to resolve, not to pause; remove it"),
        ("verb: scale\njob: a\nworkers: 1\noutcome: ok", "c.yaml:4:1: `outcome` belongs to resolve, not to scale"),
        ("verb: scale\njob: a", "c.yaml:1:1: `workers` is missing; add it"),
        ("verb: cancel\njob: a\nworkers: 1", "c.yaml:3:1: `workers` belongs to scale, not to cancel; remove it"),
        ("verb: resolv\njob: a", "c.yaml:1:7: `verb`"),
        ("verb: pause\njob: a\nitem: x", "c.yaml:3:1: unknown key 'item'"),
    ],
)
def test_mistakes_have_their_place(text: str, told: str) -> None:
    """A key that is missing, wrong, or another verb's is refused with line and column."""
    with pytest.raises(ManifestError) as caught:
        parse(drop(text))
    assert str(caught.value).startswith(told)


def test_what_the_journal_keeps() -> None:
    """A command that begins a run is known again by its file, and carries what the run is to do."""
    kept = control((2, 4), drop(""), id="x", outcome="ok")
    assert kept == {"name": "c.yaml", "ino": 2, "ctime_ns": 4, "uid": 7, "id": "x", "outcome": "ok"}
