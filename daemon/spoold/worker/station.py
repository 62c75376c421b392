"""What every kind of worker works with."""

from __future__ import annotations

from dataclasses import dataclass

from spoold.core.spec import JobSpec
from spoold.worker.account import Account
from spoold.worker.call import Handler
from spoold.worker.line import Line
from spoold.worker.output import Current
from spoold.worker.recorder import Recorder


@dataclass(frozen=True)
class Station:
    """One slot, as its worker finds it.

    Attributes:
        spec: of the job.
        slot: number of the worker.
        handler: what items are given to.
        line: shared with the runner.
        recorder: the hand in the journal.
        account: what is recorded of items, and told.
        current: the item that what is printed belongs to.
    """

    spec: JobSpec
    slot: int
    handler: Handler
    line: Line
    recorder: Recorder
    account: Account
    current: Current
