"""What all tests share: a real daemon on a spool of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon import Daemon


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon that is not started yet; whatever of it lives at the end of the test is killed."""
    one = Daemon(tmp_path)
    yield one
    one.kill_everything()
