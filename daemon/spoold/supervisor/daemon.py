"""From the settings to the running supervisor, in the order that matters.

The lock first (nothing of a spool that another daemon holds is touched), then the control group (before this process
has a child), then the zygote (before it has a thread), then everything else.
"""

from __future__ import annotations

import os

from spoold.errors import SpooldError
from spoold.spool import Spool
from spoold.supervisor.config import Config
from spoold.supervisor.daemon_log import DaemonLog
from spoold.supervisor.main import Supervisor
from spoold.supervisor.overseer import Overseer
from spoold.supervisor.setting import Setting
from spoold.supervisor.signals import Signals
from spoold.system import cgroup, process
from spoold.system import lock as locks
from spoold.system.notify import Notifier


class HeldError(SpooldError):
    """Another daemon has the spool (exit 75)."""


def serve(spool: Spool, config: Config, config_path: str | None, *, until_idle: bool) -> int:
    """Be the daemon of `spool`; the exit code.

    Raises:
        HeldError: it has one.
        SpoolError: it can't be used.
    """
    _fill_standard_descriptors()
    signals = Signals()
    notifier = Notifier()
    spool.create()
    lock = _hold(spool)
    spool.check()
    process.become_subreaper()
    log = DaemonLog(spool.log, config.log)
    groups = cgroup.delegated()
    log.info(f"workers get memory control groups in {groups}" if groups else "workers get no memory control groups")
    setting = Setting(spool, config, config_path, until_idle, log, groups)
    try:
        overseer = Overseer(setting)
        return Supervisor(setting, overseer, notifier, signals).run()
    finally:
        if groups:
            cgroup.give_back(groups)
        os.close(lock)


def _fill_standard_descriptors() -> None:
    """Whoever started us may have closed 0, 1 or 2; no file of ours may get such a number: children write to it."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # gets the lowest free number: this one


def _hold(spool: Spool) -> int:
    """Take the spool's lock, and write into it who has it, for a second daemon to say."""
    descriptor = locks.open_lock(spool.lock)
    if not locks.try_flock(descriptor):
        holder = os.pread(descriptor, 64, 0).decode(errors="replace").strip()
        os.close(descriptor)
        who = f"pid {holder}" if holder.isdigit() else "another daemon"
        raise HeldError(
            f"{who} holds this spool",
            where=spool.root,
            remedy="stop it, or give this one a spool of its own with --spool",
        )
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor
