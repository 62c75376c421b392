"""Where the control group of this process is: what the kernel writes about groups and mounts, put together.

Formats: cgroups(7), proc_pid_mountinfo(5).
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Group(NamedTuple):
    """A control group that this process can see.

    Attributes:
        version: 1 or 2.
        path: its folder.
    """

    version: int
    path: str


def locate(mountinfo: str, groups: str) -> Group | None:
    """The control group of a process that accounts its memory; None if it can't be seen.

    Args:
        mountinfo: text of /proc/self/mountinfo.
        groups: text of /proc/self/cgroup.
    """
    unified: Group | None = None
    for line in groups.split("\n"):
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if "memory" in controllers.split(","):
            folder = _visible(mountinfo, "cgroup", path)
            return None if folder is None else Group(1, folder)
        if (number, controllers) == ("0", "") and (folder := _visible(mountinfo, "cgroup2", path)):
            unified = Group(2, folder)
    return unified


def _visible(mountinfo: str, kind: str, path: str) -> str | None:
    """Where the group `path` is mounted; a container may see only a part of the tree, or several, or none.

    The kernel writes groups outside of our namespace with `..`, the same in both texts.
    """
    roots: dict[str, str] = {}
    for line in mountinfo.split("\n"):
        before, _, after = line.partition(" - ")
        mount, system = before.split(" "), after.split(" ")
        if len(mount) > 4:
            fits = system[0] == kind and (kind == "cgroup2" or "memory" in system[2].split(","))
            point = _unescape(mount[4])
            roots.pop(point, None)  # hidden by this one
            if fits:
                roots[point] = _unescape(mount[3]).rstrip("/")
    for point, root in roots.items():
        rest = path.removeprefix(root).rstrip("/") + "/"
        if (path + "/").startswith(root + "/") and "/../" not in rest:
            return f"{point}{rest}".rstrip("/")
    return None


def _unescape(field: str) -> str:
    """A field of mountinfo, in which space, tab, newline and backslash stand as octal numbers."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), field)
