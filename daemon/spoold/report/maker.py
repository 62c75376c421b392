"""The process that makes the pages of jobs that ended, beside the daemon and out of its way.

It reads names of jobs from its standard input, a line each, and answers each with a line of JSON; at the end of its
input it ends.
"""

from __future__ import annotations

import sys

import msgspec
import setproctitle

from spoold.errors import SpooldError
from spoold.report.made import Made
from spoold.report.site import is_current, write_page
from spoold.spool import Spool
from spoold.system.process import die_with_parent, ignore_terminal_signals


def make(spool: Spool, job: str) -> Made:
    """Make a job's page, unless it is there."""
    try:
        directory = spool.job(job)
        if not is_current(directory):
            write_page(directory)
    except (SpooldError, OSError) as error:
        return Made(job, str(error))
    except Exception as defect:  # noqa: BLE001 - one page must not cost the others theirs; the daemon's log says it
        return Made(job, f"{type(defect).__name__}: {defect}")
    return Made(job)


def main() -> None:
    """Run as `python -m spoold.report.maker SPOOL PID`, PID being the process that it is to end with."""
    root, parent = sys.argv[1:]
    die_with_parent(int(parent))
    ignore_terminal_signals()
    setproctitle.setproctitle("spoold: page maker")
    spool = Spool(root)
    for line in sys.stdin:
        sys.stdout.buffer.write(msgspec.json.encode(make(spool, line.rstrip("\n"))) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
