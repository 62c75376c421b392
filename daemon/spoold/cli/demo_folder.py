"""The folder that `spool demo` works in, SPOOL/demo: a job that is easy to look at, to change and to break.

    stdlib.yaml, stdlib.py    the example manifest and its handler
    broken/                   three files that Python can't read
    library/                  links to the files of the running Python's standard library

What is there is left as it is, so that a mended file stays mended; delete the folder to begin afresh.
"""

from __future__ import annotations

import os
import shutil
import sysconfig
from typing import Final

import spoold
from spoold.errors import SpoolError
from spoold.sources.glob import GlobSource

_NOT_STANDARD: Final = ("site-packages", "dist-packages", "__pycache__")


def examples() -> str:
    """Where the example manifests are: in the installed package, or in the checkout.

    Raises:
        SpoolError: nowhere.
    """
    package = os.path.dirname(os.path.abspath(spoold.__file__))
    for folder in (f"{package}/examples", f"{checkout()}/spool/examples"):
        if os.path.isfile(f"{folder}/stdlib.yaml"):
            return folder
    raise SpoolError("the examples are not there", where=package, remedy="install spoold again")


def checkout() -> str:
    """The folder in which this package's source would lie in a checkout of spoold."""
    return os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(spoold.__file__))))


def prepare(folder: str) -> int:
    """Make what is missing of the demo's folder; the number of files that its job will meet.

    Raises:
        SpoolError: it can't be written.
    """
    source = examples()
    try:
        os.makedirs(f"{folder}/broken", exist_ok=True)
        broken = [f"broken/{name}" for name in os.listdir(f"{source}/broken") if name.endswith(".py")]
        for name in ("stdlib.yaml", "stdlib.py", *broken):
            if not os.path.exists(f"{folder}/{name}"):
                shutil.copyfile(f"{source}/{name}", f"{folder}/{name}")
        _link_library(sysconfig.get_path("stdlib"), f"{folder}/library")
    except OSError as error:
        what = f"the demo's folder can't be made: {error.strerror}"
        raise SpoolError(what, where=folder, remedy="name a spool of your own with --spool") from error
    return sum(len(batch.raws) for batch in GlobSource("**/*.py", folder).batches())


def _link_library(library: str, folder: str) -> None:
    """Make `folder` a tree of links to the .py files of `library`, what was installed beside it left out."""
    if os.path.realpath(f"{folder}/os.py") == os.path.realpath(f"{library}/os.py"):
        return
    shutil.rmtree(folder, ignore_errors=True)
    growing = f"{folder}.new"
    shutil.rmtree(growing, ignore_errors=True)
    for path, folders, files in os.walk(library):
        folders[:] = [name for name in folders if name not in _NOT_STANDARD]
        modules = [name for name in files if name.endswith(".py")]
        here = os.path.join(growing, os.path.relpath(path, library))
        if modules:
            os.makedirs(here, exist_ok=True)
        for name in modules:
            os.symlink(os.path.join(path, name), os.path.join(here, name))
    os.rename(growing, folder)
