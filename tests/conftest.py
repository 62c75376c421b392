"""What all tests share: a real daemon on a spool of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.daemon import Daemon

# a machine that is busy with something else does not make an example wrong
hypothesis.settings.register_profile("spoold", deadline=None)
hypothesis.settings.load_profile("spoold")


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon that is not started yet; whatever of it lives at the end of the test is killed."""
    one = Daemon(tmp_path)
    yield one
    one.kill_everything()


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A running daemon that the tests of a module share; each drops jobs of its own name, none stops it."""
    one = Daemon(tmp_path_factory.mktemp("serving"))
    one.shared = True
    one.start(config={"max_jobs": 8, "max_workers": 16, "limits": {"result": "64KiB"}})
    yield one
    one.kill_everything()
