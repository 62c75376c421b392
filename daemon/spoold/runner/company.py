"""What a runner has beside it during its life: the job's lock, processes for foreign code, a checkpoint's store."""

from __future__ import annotations

from dataclasses import dataclass

from spoold.engines.aide import Aides
from spoold.runner.mirror import Mirror
from spoold.runner.vigil import Vigil


@dataclass(frozen=True)
class Company:
    """See the module.

    Attributes:
        lock: descriptor of the job's lock.
        aides: makes processes for foreign code.
        vigil: waits while orders are heard.
        mirror: the checkpoint's store; None: the journal is all there is.
    """

    lock: int
    aides: Aides
    vigil: Vigil
    mirror: Mirror | None
