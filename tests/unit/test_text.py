"""Text from users, shown."""

from __future__ import annotations

import os

import pytest

from spoold.core.text import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("größe 日本", "größe 日本"),
        ("a\nb", "a\\nb"),
        ("\x1b[31m", "\\x1b[31m"),
        ("a\u202eb", "a\\u202eb"),
        ("C:\\x", "C:\\\\x"),
        (os.fsdecode(b"\xff.yaml"), "\\xff.yaml"),
        ("\ud800", "\\ud800"),
    ],
)
def test_printable(text: str, shown: str) -> None:
    """What is not printable is escaped, everything else is left."""
    assert printable(text) == shown
    printable(text).encode()


def test_long_text_is_cut() -> None:
    """A megabyte is shown as its beginning."""
    assert len(printable("x" * 1_000_000)) == 200
