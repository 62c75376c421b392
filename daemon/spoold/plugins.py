"""What other distributions add: sources, checkpoints and engines that their entry points name.

Promise: `names` reads metadata and imports nothing. `load` imports a plug-in only where nobody but root and the user of
this process can have written it; it is called in runners, never in the supervisor. Looking for entry points takes
milliseconds, so nobody does it for a name that is built in.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from spoold.errors import PluginError, SpooldError
from spoold.system.process import thread_count

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from importlib.metadata import Distribution, EntryPoint

Made = TypeVar("Made")

_PREFIX: Final = "spoold."
_BY_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True)
class Plugin:
    """A class that a plug-in brings.

    Attributes:
        kind: the class.
        where: what it is called in errors: its name, distribution and entry point.
    """

    kind: Any
    where: str

    def make(self, maker: Callable[[Any], Made], needs: tuple[str, ...]) -> Made:
        """An instance, by calling `maker` with the class.

        Args:
            maker: calls it.
            needs: what an instance has to have.

        Raises:
            SpooldError: what the plug-in says is wrong with what it was given.
            PluginError: it raised anything else, or made something that lacks what is needed.
        """
        try:
            made = maker(self.kind)
        except SpooldError:
            raise
        except Exception as error:
            raise PluginError(f"it can't be made: {type(error).__name__}: {error}", where=self.where) from error
        missing = [name for name in needs if not hasattr(made, name)]
        if missing:
            what = f"what it makes, a {type(made).__name__}, has no {', '.join(missing)}"
            raise PluginError(what, where=self.where, remedy="use a version of it that is made for this one of spoold")
        return made


def names(group: str) -> list[str]:
    """What plug-ins add to a group, sorted.

    Args:
        group: sources, checkpoints or engines.
    """
    return sorted({point.name for point in _points(group)})


def load(group: str, name: str) -> Plugin | None:
    """The class that goes by that name; None if no plug-in has it.

    Raises:
        PluginError: several have it; or others can change it; or it can't be imported.
    """
    found = [point for point in _points(group) if point.name == name]
    if not found:
        return None
    if len(found) > 1:
        both = " and ".join(sorted(_shown(point) for point in found))
        what = f"several plug-ins have this name: {both}"
        raise PluginError(what, where=f"{group} {name}", remedy="uninstall all of them but one")
    (point,) = found
    where = f"plug-in {name} ({_shown(point)})"
    for path in _written(point):
        _refuse_written_by_others(path, where)
    threads = thread_count()
    try:
        kind = point.load()
    except (Exception, SystemExit) as error:
        what = f"it can't be imported: {type(error).__name__}: {error}"
        raise PluginError(what, where=where, remedy="mend or uninstall it") from error
    if thread_count() > threads:
        what = "its import started a thread, and processes are forked here"
        raise PluginError(what, where=where, remedy="let it start threads where it is used")
    return Plugin(kind, where)


def _points(group: str) -> list[EntryPoint]:
    from importlib.metadata import entry_points  # noqa: PLC0415 - takes 100 ms, and mostly nobody asks

    return list(entry_points(group=_PREFIX + group))


def _shown(point: EntryPoint) -> str:
    dist = point.dist
    return point.value if dist is None else f"{point.value} of {dist.name} {dist.version}"


def _written(point: EntryPoint) -> Iterator[str]:
    """The files and folders that decide what the import runs."""
    if point.dist is not None:
        yield from _metadata(point.dist)
    for file in _executed(point.module):
        yield os.path.dirname(file)
        yield file


def _metadata(dist: Distribution) -> Iterator[str]:
    for file in dist.files or ():
        if file.name == "entry_points.txt":
            path = os.path.realpath(str(dist.locate_file(file)))
            yield os.path.dirname(path)
            yield path


def _executed(module: str) -> Iterator[str]:
    """The files that importing a module executes, found without executing any."""
    parts = module.split(".")
    path = None
    for depth in range(1, len(parts) + 1):
        spec = _spec(".".join(parts[:depth]), path)
        if spec is None:
            return  # the import tells
        if spec.has_location and spec.origin is not None:
            yield os.path.realpath(spec.origin)
        path = spec.submodule_search_locations


def _spec(name: str, path: Any) -> ModuleSpec | None:
    """As importlib.util.find_spec, which imports the packages above."""
    found = (finder.find_spec(name, path) for finder in sys.meta_path)
    return next((spec for spec in found if spec is not None), None)


def _refuse_written_by_others(path: str, where: str) -> None:
    """Code that somebody else can change is not run as the daemon's user.

    Raises:
        PluginError: it can be, or it is not there.
    """
    try:
        info = os.stat(path)
    except OSError as error:
        raise PluginError(f"{path}: {error.strerror}", where=where, remedy="install it again") from None
    if info.st_uid not in (0, os.geteuid()):
        what = f"{path} belongs to user {info.st_uid}, who may change what the daemon runs"
        raise PluginError(what, where=where, remedy="install it as root or as the daemon's user")
    if info.st_mode & _BY_OTHERS:
        what = f"others may write to {path}, and so change what the daemon runs"
        raise PluginError(what, where=where, remedy=f"chmod go-w {path}")
