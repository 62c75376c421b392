"""The scripts of tests/naive as tests run them, on items of their kind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from tests.daemon import eventually

NAIVE = Path(__file__).parent / "naive"
COUNT = 300
FAULT = 270
Keys = dict[str, Any]


def name(number: int) -> str:
    """An item's id."""
    return f"customer-{number:04d}"


def export(path: Path, *ids: str) -> Path:
    """A file of these items, of the first 300 if none is named."""
    wanted = ids or tuple(map(name, range(COUNT)))
    path.write_text("".join(f'{{"id": "{one}", "text": "what is known of {one}"}}\n' for one in wanted))
    return path


def ran(ledger: Path) -> Counter[str]:
    """How often each item ran."""
    return Counter(ledger.read_text().splitlines())


def repeated(ledger: Path) -> list[str]:
    """The items that ran more than once."""
    return sorted(one for one, times in ran(ledger).items() if times > 1)


class Script:
    """One of the scripts, with a ledger of its own."""

    def __init__(self, folder: Path, which: str, state: str | None = None) -> None:
        self.which = which
        self.ledger = folder / f"{which}.ledger"
        self.state = state or str(folder / f"{which}.state")

    def start(self, source: Path, **env: str) -> subprocess.Popen[str]:
        """Start it."""
        return subprocess.Popen(
            [sys.executable, str(NAIVE / f"{self.which}.py"), str(source), self.state],
            env={**os.environ, "LEDGER": str(self.ledger), **env},
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, source: Path, **env: str) -> str:
        """Run it to its end; the last line of its complaint, empty if it succeeded."""
        process = self.start(source, **env)
        complaint = process.communicate()[1].splitlines()
        return complaint[-1] if process.returncode else ""

    def stop_at_fault(self, source: Path) -> None:
        """Run it, and kill it in the middle of an item."""
        process = self.start(source, STALL=name(FAULT))
        eventually(Path(f"{self.ledger}.stalled").exists, f"{self.which} to come to the item")
        process.send_signal(signal.SIGKILL)
        process.communicate()


def sqlite(state: str) -> Keys:
    """A checkpoint in the table of a script."""
    return {"type": "sqlite", "path": state, "name": "crm"}


def pages() -> Keys:
    """The source whose offset is a checkpoint."""
    return {"type": "pages", "fetch": "work:fetch", "page_size": 50}
