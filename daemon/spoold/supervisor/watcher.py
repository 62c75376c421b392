"""Watches the folders where things are dropped; each event only wakes the loop, the scan is the truth.

The observer's threads write one byte to a pipe and note which names were moved in or closed. When no inotify instance
can be had, the loop's own rescan is what is left, and the log says so.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

from watchdog.events import FileClosedEvent, FileMovedEvent, FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

_LOOKS: Final = 3600.0
"""Seconds after which the observer's threads look around though nothing happened; by themselves they did each second.
"""


class Watcher(FileSystemEventHandler):
    """The observer and the pipe that it wakes the loop with.

    Args:
        folders: what is watched, not what is below it.
        drops: tells by its name whether a file may be one that is dropped, and only such wake; None: every change does.

    Attributes:
        problem: why nothing is watched; None while all is well.
    """

    def __init__(self, folders: Iterable[str], drops: Callable[[str], bool] | None = None) -> None:
        # what it says while it stops is of no use, and would go to standard error
        logging.getLogger("watchdog").addHandler(logging.NullHandler())
        self._folders = list(folders)
        self._drops = drops
        self._lock = threading.Lock()
        self._complete: set[str] = set()
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._observer: BaseObserver | None = None
        self.problem: str | None = None
        self.restart()

    def fileno(self) -> int:
        """Readable when something was dropped."""
        return self._read

    def restart(self) -> None:
        """Watch anew: at the start, when a folder was replaced, or when the observer's threads were found dead."""
        self.stop()
        observer = Observer(timeout=_LOOKS)
        try:
            for folder in self._folders:
                observer.schedule(self, folder, recursive=False)
            observer.start()
        except OSError as error:
            self.problem = f"folders can't be watched ({error}); they are looked through every few seconds instead"
            with suppress(RuntimeError, OSError):
                observer.stop()
            return
        self._observer, self.problem = observer, None

    @property
    def alive(self) -> bool:
        """Whether every thread that watches still lives."""
        return (
            self._observer is not None
            and self._observer.is_alive()
            and all(e.is_alive() for e in self._observer.emitters)
        )

    def stop(self) -> None:
        """End the threads."""
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()
            self._observer = None

    def on_any_event(self, event: FileSystemEvent) -> None:
        """In the observer's thread: leave a note, wake the loop."""
        if event.event_type in ("opened", "closed_no_write"):
            return  # our own reading
        path = os.fsdecode(event.dest_path or event.src_path)
        if self._drops is not None and (
            event.event_type == ("modified" if event.is_directory else "deleted")
            or not self._drops(os.path.basename(path))
        ):
            return
        if isinstance(event, FileMovedEvent | FileClosedEvent):
            self._note(path)
        with suppress(OSError):  # the pipe is full: the loop is woken already
            os.write(self._write, b".")

    def _note(self, path: str) -> None:
        with self._lock:
            self._complete.add(path)

    def drain(self) -> set[str]:
        """Clear the wake-up; the paths that were moved in or closed after writing since the last call."""
        with suppress(BlockingIOError):
            while os.read(self._read, 4096):
                pass
        with self._lock:
            complete, self._complete = self._complete, set()
        return complete
