"""How much memory there is for this process and all that it starts."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import Final

from spoold.system.own_group import locate

_TOTAL: Final = re.compile(r"^MemTotal:\s+(\d+) kB", re.MULTILINE)


def usable(proc: str = "/proc") -> int:
    """Bytes of the machine's memory, or of the least limit on our control group and those above it.

    Args:
        proc: where the process file system is mounted.

    Raises:
        OSError: it is not mounted.
    """
    found = _TOTAL.search(_read(f"{proc}/meminfo"))
    most = [int(found[1]) * 1024 if found else os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    group = locate(_read(f"{proc}/self/mountinfo"), _read(f"{proc}/self/cgroup"))
    if group is None:
        return most[0]
    name = "memory.limit_in_bytes" if group.version == 1 else "memory.max"
    folder = group.path
    while os.path.exists(f"{folder}/cgroup.procs"):
        with suppress(OSError):  # a group of version 2 that has no limits of its own, such as the root
            limit = _read(f"{folder}/{name}").strip()
            if limit.isdecimal():  # else 'max'; version 1 has a number beyond any memory for it
                most.append(int(limit))
        folder = os.path.dirname(folder)
    return min(most)


def _read(path: str) -> str:
    with open(path, "rb") as file:
        return os.fsdecode(file.read())
