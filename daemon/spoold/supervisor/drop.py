"""What lies in a folder where people drop files: a file that was read, or one that can't be taken."""

from __future__ import annotations

import hashlib
import stat
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Self

from spoold.core.text import printable
from spoold.errors import ManifestError
from spoold.supervisor.manifests import SUFFIXES

if TYPE_CHECKING:
    import os


@dataclass(frozen=True, slots=True)
class Identity:
    """Which file it is, and in which state of its content."""

    dev: int
    ino: int
    mode: int
    links: int
    uid: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, found: os.stat_result) -> Self:
        """What stat says of a file."""
        return cls(
            found.st_dev,
            found.st_ino,
            found.st_mode,
            found.st_nlink,
            found.st_uid,
            found.st_size,
            found.st_mtime_ns,
            found.st_ctime_ns,
        )

    def same_file(self, found: os.stat_result) -> bool:
        """Whether it is the same file, whatever it contains by now."""
        return (self.dev, self.ino) == (found.st_dev, found.st_ino)

    @property
    def regular(self) -> bool:
        """Whether it is an ordinary file."""
        return stat.S_ISREG(self.mode)


@dataclass(frozen=True)
class Drop:
    """A complete file, and the daemon's own copy of what was in it."""

    folder: str
    name: str
    identity: Identity
    data: bytes

    @cached_property
    def sha256(self) -> str:
        """Digest of the content, hexadecimal."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def dropped(self) -> float:
        """When it was dropped, epoch seconds: the same after a crash."""
        return self.identity.ctime_ns / 1e9

    def record(self) -> dict[str, Any]:
        """What the journal keeps, so that this drop is known again and not taken twice."""
        one = self.identity
        return {
            "name": printable(self.name, 1024),
            "dev": one.dev,
            "ino": one.ino,
            "mtime_ns": one.mtime_ns,
            "ctime_ns": one.ctime_ns,
            "sha256": self.sha256,
            "uid": one.uid,
        }

    def recorded_as(self, record: dict[str, Any]) -> bool:
        """Whether a record is of this drop; device numbers change when a disk is mounted again."""
        one = self.identity
        return (record.get("ino"), record.get("ctime_ns"), record.get("sha256")) == (
            one.ino,
            one.ctime_ns,
            self.sha256,
        )


@dataclass(frozen=True, slots=True)
class Refusal:
    """A file that is not even read."""

    folder: str
    name: str
    identity: Identity
    what: str
    remedy: str

    @property
    def error(self) -> ManifestError:
        """The reason, in the form of all reasons."""
        return ManifestError(self.what, name=printable(self.name), remedy=self.remedy)


def unfit(one: Identity, owners: frozenset[int], cap: int) -> tuple[str, str] | None:
    """Why a file can't be taken, whatever it contains, and what to do; None if it can."""
    if not one.regular:
        return f"this is {_KINDS.get(stat.S_IFMT(one.mode), 'no file')}", "drop a regular file"
    if one.links != 1:
        return f"this is a hard link: the file has {one.links} names", "drop a copy (cp)"
    if one.uid not in owners:
        return f"user {one.uid} may not submit here", "have the daemon's user or root drop it"
    if not one.mode & 0o444:
        return f"nobody may read it (mode {stat.S_IMODE(one.mode):04o})", "chmod 600 it and drop it again"
    if one.size > cap:
        return f"larger than {cap} bytes", "put the items into a file of their own"
    return None


def takeable(name: str) -> bool:
    """Whether files of this name are for us."""
    return name.endswith(SUFFIXES) and not name.startswith(".")


def left_alone(name: str) -> bool:
    """Whether a name says that it is not for anybody yet."""
    return name.startswith(".") or name.endswith(_PENDING)


_PENDING: Final = (".tmp", ".part", ".swp", "~")
_KINDS: Final = {
    stat.S_IFDIR: "a directory",
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFBLK: "a block device",
    stat.S_IFCHR: "a character device",
}
