"""How long the daemon's loop waits."""

from __future__ import annotations

import sched
from time import monotonic, sleep
from types import SimpleNamespace
from typing import Any

from spoold.supervisor.main import Supervisor


def test_what_was_due_turns_the_loop() -> None:
    """After a timer the loop looks what follows from it before it waits for the next one."""
    timers, rung = sched.scheduler(monotonic, sleep), list[str]()
    timers.enter(-1, 1, rung.append, ("due",))
    timers.enter(60, 1, rung.append, ("later",))
    loop: Any = SimpleNamespace(timers=timers, look_due=False)
    assert Supervisor.patience(loop) == 0
    wait = Supervisor.patience(loop)
    assert wait is not None
    assert 0 < wait <= 60
    assert rung == ["due"]
