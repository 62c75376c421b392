"""An engine of local workers that leave the processor to others."""

from __future__ import annotations

import os
from typing import Any

from spoold.engines.local import LocalEngine

NICE = 10


class NiceEngine(LocalEngine):
    """As the local engine; from now on this runner, and every worker that it forks, has a lower priority."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        os.nice(NICE)
