"""Handlers that end their worker at a chosen point of spoold's own work."""

from __future__ import annotations

import os
import signal
from typing import Any

from basic import slow_ledger


def at_the_next_sync(item: dict[str, Any]) -> Any:
    """From item 5 on, once: die when the worker, which has written a record and begun no item since, syncs it."""
    if item["id"] == 5 and not os.path.exists(os.environ["ONCE"]):
        os.close(os.open(os.environ["ONCE"], os.O_CREAT))
        os.fdatasync = _die
    return slow_ledger(item)


def _die(_descriptor: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)
