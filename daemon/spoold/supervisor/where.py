"""Which spool is meant: --spool, $SPOOLD_SPOOL, the configuration's, ./spool, /var/spool/spoold."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from spoold.spool import is_spool

if TYPE_CHECKING:
    from spoold.supervisor.config import Config  # the operator's command shall not wait for its import

DEFAULT: Final = "/var/spool/spoold"


def find_spool(given: str | None, config: Config | None) -> str:
    """The absolute path of the spool that is meant."""
    chosen = given or os.environ.get("SPOOLD_SPOOL") or (config.spool if config is not None else None)
    if chosen is None:
        here = os.path.abspath("spool")
        chosen = here if is_spool(here) or is_checkout(os.getcwd()) else DEFAULT
    return os.path.abspath(chosen)


def is_checkout(folder: str) -> bool:
    """Whether a folder is a checkout of spoold itself, whose spool/ is meant to be run on."""
    return os.path.isdir(f"{folder}/spool/examples") and os.path.isdir(f"{folder}/daemon/spoold")
