"""The live view's keys, on a spool on which no daemon runs."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from spoold.journal.format import job_payload
from spoold.journal.segment import Segment
from spoold.spool import Spool

pytest.importorskip("textual", reason="the extra `tui` is not installed")

from spoold.cli.live.app import Ask, Panel, Top

Play = Callable[["Stage"], Awaitable[None]]


class Stage:
    """The app as it runs, and what it shows."""

    def __init__(self, app: Top, pilot: Any) -> None:
        self.app = app
        self._pilot = pilot

    async def press(self, *keys: str) -> None:
        """Press keys, and wait until the app has dealt with them."""
        await self._pilot.press(*keys)
        await self._pilot.pause()
        await self.app.workers.wait_for_complete()

    @property
    def text(self) -> str:
        """The lines."""
        return "\n".join(line.plain for line in self.app.query_one(Panel).screen_now.lines)

    @property
    def chosen(self) -> str:
        """The line of the chosen job."""
        return next(line for line in self.text.splitlines() if line.startswith(">"))


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    """Three jobs, accepted one after the other."""
    one = Spool(str(tmp_path / "spool"))
    one.create()
    for place, name in enumerate(("first", "second", "third")):
        directory = one.job(name)
        os.makedirs(directory.journal)
        segment = Segment.create(directory.journal, job=name, uid="0" * 32, run=1, gen=1, slot=0)
        segment.append(job_payload("accepted", 1.0 + place, mode="drop"))
        segment.append(job_payload("started", 2.0 + place, workers=1))
        segment.close()
    return one


def perform(spool: Spool, play: Play, size: tuple[int, int] = (80, 24)) -> Top:
    """Run the app, and something with it."""
    app = Top(spool, 60.0)

    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            stage = Stage(app, pilot)
            await app.look()
            await pilot.pause()
            await play(stage)

    asyncio.run(run())
    return app


def commands(spool: Spool) -> list[dict[str, Any]]:
    """What was dropped for the daemon."""
    return [json.loads(path.read_bytes()) for path in sorted(Path(spool.control).iterdir())]


def test_keys_choose_a_job(spool: Spool) -> None:
    """Arrows and j and k; at the ends they stay."""

    async def play(stage: Stage) -> None:
        names = []
        for key in ("up", "down", "j", "j", "k", "home", "end"):
            await stage.press(key)
            names.append(stage.chosen.split()[0].removeprefix(">"))
        assert names == ["first", "second", "third", "third", "second", "first", "third"]

    perform(spool, play)


def test_a_command_is_dropped_and_what_becomes_of_it_is_told(spool: Spool) -> None:
    """Of the chosen job; without a daemon it waits for one."""

    async def play(stage: Stage) -> None:
        await stage.press("j", "p")
        await stage.press("f")
        note = str(stage.app.query_one("#note").render())
        assert "no daemon runs: retry-failures second will be obeyed at its start" in note

    perform(spool, play)
    given = [(one["verb"], one["job"]) for one in commands(spool)]
    assert given == [("pause", "second"), ("retry-failures", "second")]


@pytest.mark.parametrize(("answer", "given"), [("n", []), ("escape", []), ("y", [{"verb": "cancel", "job": "first"}])])
def test_a_cancel_is_asked_for(spool: Spool, answer: str, given: list[dict[str, str]]) -> None:
    """Only y means it."""

    async def play(stage: Stage) -> None:
        await stage.press("c")
        assert isinstance(stage.app.screen, Ask)
        assert commands(spool) == []
        await stage.press(answer)
        assert not isinstance(stage.app.screen, Ask)

    perform(spool, play)
    assert commands(spool) == given


def test_it_follows_the_size_of_the_terminal(spool: Spool) -> None:
    """Another size draws it anew."""

    async def play(stage: Stage) -> None:
        assert "░" not in stage.text.splitlines()[0]
        await stage.press("question_mark")
        await stage.press("x")
        before = len(stage.app.query_one(Panel).screen_now.lines[2].plain)
        await stage._pilot.resize_terminal(120, 40)
        await stage._pilot.pause()
        assert len(stage.app.query_one(Panel).screen_now.lines[2].plain) > before

    perform(spool, play)


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
def test_keys_that_leave(spool: Spool, key: str) -> None:
    """With exit code 0."""

    async def play(stage: Stage) -> None:
        await stage._pilot.press(key)

    assert perform(spool, play).return_value == 0
