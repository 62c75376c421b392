"""A memory control group for each worker, where kernel and administrator let us make one.

Version 1: groups can be made below our own, whoever else is in it. Version 2: a group that has processes can't hand
its memory out to groups below it, so the daemon first moves one level down; it does so only in a group that was given
to it and in which it is alone. No process but ours is moved, no group but ours is removed.

Formats: cgroups(7), and the kernel's cgroup-v1/memory.rst and cgroup-v2.rst.
"""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from spoold.system.own_group import locate

_OWN: Final = "spoold-"
"""Version 1: what the folder of a daemon is called, before its pid."""
_DAEMON: Final = "daemon"
"""Version 2: the group into which the daemon moves."""
_LEAF: Final = "worker-"
_LONGEST: Final = 200
"""Bytes of a leaf's name; the kernel takes 255."""
_TRIES: Final = 4
_OOM_KILL: Final = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)
_HIGH: Final = 500
"""Descriptors that stay open beside foreign code start here."""
_FEW: Final = 4096
"""Bytes that a file of counters has at most."""


def delegated() -> str | None:
    """The folder in which each worker may have a group of its own; None where there is none.

    To be called by the daemon before it starts any process; what an earlier daemon left there is removed.
    """
    own = locate(_read("/proc/self/mountinfo"), _read("/proc/self/cgroup"))
    if own is None:
        return None
    folder = _make_below(own.path) if own.version == 1 else _move_down(own.path)
    if folder is None:
        return None
    probe = Leaf.make(folder, "probe", 1 << 30)
    if probe is None:
        give_back(folder)
        return None
    probe.remove()
    return folder


def give_back(folder: str) -> None:
    """Undo, at the daemon's end, what `delegated` did; what is still in use stays."""
    _sweep(folder, _LEAF)
    if os.path.basename(folder).startswith(_OWN):
        _remove(folder)
        _sweep(os.path.dirname(folder), _OWN)  # that of a daemon that was killed may have been in use when we began
        return
    with suppress(OSError):
        _write(f"{folder}/cgroup.subtree_control", "-memory")
        _write(f"{folder}/cgroup.procs", "0")
    _remove(f"{folder}/{_DAEMON}")


def _make_below(group: str) -> str | None:
    """Version 1: make a folder for this daemon's workers."""
    if _read(f"{group}/memory.use_hierarchy").strip() == "0":
        return None  # kernels before 5.11: our workers would escape the limit of the group we are in
    _sweep(group, _OWN)
    folder = f"{group}/{_OWN}{os.getpid()}"
    with suppress(OSError):
        os.mkdir(folder)
    return folder if os.path.isdir(folder) else None


def _move_down(group: str) -> str | None:
    """Version 2: move this process into a group of its own, and hand the memory controller to those beside it."""
    if "memory" not in _read(f"{group}/cgroup.controllers").split() or not _is_ours(group):
        return None
    _sweep(group, _LEAF)
    daemon = f"{group}/{_DAEMON}"
    try:
        if not os.path.isdir(daemon):  # an earlier daemon's that was killed will do
            os.mkdir(daemon)
        _write(f"{daemon}/cgroup.procs", "0")
        _write(f"{group}/cgroup.subtree_control", "+memory")
    except OSError:
        give_back(group)
        return None
    return group


def _is_ours(group: str) -> bool:
    """Whether a group of version 2 was handed to us: we are alone in it, and nobody else arranges what is below it."""
    alone = _read(f"{group}/cgroup.procs").split() == [str(os.getpid())]
    if not alone or not os.path.exists(f"{group}/cgroup.events"):  # the machine's root group has no such file
        return False
    if not os.path.isdir("/run/systemd/system"):
        return True
    for mark in ("user.delegate", "trusted.delegate"):  # set by systemd on what it delegates
        with suppress(OSError):
            return os.getxattr(group, mark) == b"1"
    # Older ones set only the second, which needs privileges to read: then that we own it, but not what is above it.
    return os.stat(group).st_uid == os.geteuid() != os.stat(os.path.dirname(group)).st_uid


@dataclass(frozen=True, slots=True)
class Leaf:
    """One worker's control group.

    Attributes:
        path: its folder.
    """

    path: str

    @classmethod
    def make(cls, folder: str, name: str, limit: int) -> Leaf | None:
        """Make a group in which all processes together may use `limit` bytes; swap counts.

        Args:
            folder: what `delegated` returned.
            name: unique in the folder; an unused group of that name is made anew.
            limit: in bytes; past it the kernel kills what is in the group.

        Returns:
            None if it can't be had.
        """
        try:
            leaf = cls(_make(f"{folder}/{_file_name(name)}"))
        except OSError:
            return None
        try:
            leaf._limit(limit)
        except OSError:
            leaf.remove()
            return None
        return leaf

    def _limit(self, limit: int) -> None:
        if os.path.exists(f"{self.path}/memory.max"):
            _write(f"{self.path}/memory.max", str(limit))
            more = {"memory.swap.max": "0", "memory.oom.group": "1"}
        else:
            _write(f"{self.path}/memory.limit_in_bytes", str(limit))
            more = {"memory.memsw.limit_in_bytes": str(limit), "memory.oom_control": "0"}
        for name, value in more.items():  # these depend on kernel and configuration
            with suppress(OSError):
                _write(f"{self.path}/{name}", value)

    def enter(self) -> None:
        """Move the calling process into the group; what it starts is in it too.

        Raises:
            OSError: the group is gone, or the process may not.
        """
        _write(f"{self.path}/cgroup.procs", "0")

    def oom_kills(self) -> int:
        """How many kills the kernel has counted here because the limit was reached; it may count a process twice."""
        return _kills(_read(f"{self.path}/memory.events") or _read(f"{self.path}/memory.oom_control"))

    def peak(self) -> int | None:
        """The most bytes that were ever in use; None where the kernel does not say."""
        text = _read(f"{self.path}/memory.peak") or _read(f"{self.path}/memory.max_usage_in_bytes")
        return int(text) if text else None

    def remove(self) -> None:
        """Remove the group, once everything in it is reaped; one that is still in use stays."""
        _remove(self.path)


class Kills:
    """A leaf's `oom_kills` for who asks after each item: its file stays open, which takes a quarter of the time."""

    def __init__(self, leaf: Leaf) -> None:
        self._leaf = leaf
        self._descriptor: int | None = None
        for name in ("memory.events", "memory.oom_control"):
            with suppress(OSError):
                self._descriptor = _open_high(f"{leaf.path}/{name}")
                break

    def count(self) -> int:
        """How many there were."""
        if self._descriptor is not None:
            try:
                return _kills(os.fsdecode(os.pread(self._descriptor, _FEW, 0)))
            except OSError:  # somebody closed what was not his
                self._descriptor = None
        return self._leaf.oom_kills()


def _make(path: str) -> str:
    """Make a new folder, so that its counters begin at nothing; under another name if the old one can't be removed.

    Raises:
        OSError: it can't be made.
    """
    for number in range(_TRIES):
        found = f"{path}~{number}" if number else path
        _remove(found)  # of a worker that was killed together with its runner
        with suppress(FileExistsError):  # something in it refuses to die
            os.mkdir(found)
            return found
    raise FileExistsError(f"{path}: still in use")


def _file_name(name: str) -> str:
    """A folder's name for a leaf, short enough and never that of one of the kernel's own files."""
    if len(name.encode()) > _LONGEST:
        name = f"{name[: _LONGEST // 4]}-{sha256(name.encode()).hexdigest()[:16]}"
    return f"{_LEAF}{name}"


def _sweep(folder: str, prefix: str) -> None:
    """Remove unused groups whose names begin with `prefix`; those of daemons that live are left to them."""
    with suppress(OSError):
        for name in os.listdir(folder):
            pid = name.removeprefix(_OWN)
            if name.startswith(prefix) and not (prefix == _OWN and os.path.exists(f"/proc/{pid}")):
                _remove(f"{folder}/{name}")


def _remove(path: str) -> None:
    """Remove a group and those that somebody made below it, as far as they are unused; a removed group is nothing."""
    for folder, _, _ in os.walk(path, topdown=False):
        with suppress(OSError):
            os.rmdir(folder)


def _read(path: str) -> str:
    """A small file's text; empty if it can't be read."""
    try:
        with open(path, "rb") as file:
            return os.fsdecode(file.read())
    except OSError:
        return ""


def _kills(text: str) -> int:
    found = _OOM_KILL.search(text)
    return int(found[1]) if found else 0


def _open_high(path: str) -> int:
    """Open a file for reading, out of the way of foreign code that closes what it did not open.

    Raises:
        OSError: it can't be opened, or not there.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _HIGH)
    finally:
        os.close(descriptor)


def _write(path: str, text: str) -> None:
    """Write to a control file, which takes or refuses it at once.

    Raises:
        OSError: it refuses.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)  # never made: what the kernel does not offer is missing
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
