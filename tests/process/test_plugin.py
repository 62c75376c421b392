"""The example plug-in, installed, and run by the real daemon."""

from __future__ import annotations

import mailbox
import tomllib
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest
from tests.daemon import Daemon, eventually
from tests.installing import install

EXAMPLE = Path(__file__).parents[2] / "spool" / "examples" / "plugin"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon that has the example, as its pyproject.toml says, and beside it one that is of no use."""
    one = Daemon(tmp_path_factory.mktemp("plugin"))
    one.shared = True
    site = one.folder / "site"
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    modules = {str(path.relative_to(EXAMPLE)): path.read_text() for path in EXAMPLE.glob("spoold_example/*.py")}
    install(site, project["name"], project["version"], project["entry-points"], modules)
    broken = {"spoold.sources": {"broken": "brokn:Source"}, "spoold.engines": {"brokn": "brokn:Engine"}}
    install(
        site, "spoold-broken", "1.0", broken, {"brokn.py": "Source = 5\nclass Engine:\n    def __init__(*_): pass\n"}
    )
    one.env["PYTHONPATH"] = str(site)
    one.start()
    yield one
    one.kill_everything()


def letters(path: Path, count: int) -> str:
    """A mailbox of so many messages, the third without a Message-ID; its path."""
    box = mailbox.mbox(path)
    for i in range(count):
        message = EmailMessage()
        message["Subject"] = f"Grüße {i}"
        if i != 2:
            message["Message-ID"] = f"<{i}/@example.org>"
        message.set_content(f"Dear reader,\nFrom here with love, number {i}\n")
        box.add(message)
    box.close()
    return str(path)


def test_a_source_of_a_plugin(installed: Daemon) -> None:
    """Each message of a mailbox is an item; one without an id fails alone, with its line; what is added later runs."""
    path = letters(installed.folder / "letters.mbox", 5)
    command = ["sh", "-c", 'echo "$0"; grep -c love', "{subject}"]
    source = {"type": "mbox", "path": path}
    ended = installed.finish("mail", command=command, source=source)
    assert (ended["state"], ended["counts"]["ok"], ended["counts"]["failed"]) == ("partial", 4, 1)
    assert [row["result"] for row in installed.results("mail")] == [f"Grüße {i}\n1\n" for i in (0, 1, 3, 4)]
    (failure,) = installed.failures("mail")
    assert failure["id"].startswith("line:")
    letters(installed.folder / "letters.mbox", 1)
    installed.finish("mail", command=command, source=source)
    assert installed.report("mail")["total"] == 6


def test_a_checkpoint_of_a_plugin(installed: Daemon) -> None:
    """What has a stamp is not run, and what has run gets one."""
    done = installed.folder / "done"
    done.mkdir()
    for i in range(7):
        (done / str(i)).touch()
    ended = installed.finish(
        "stamped",
        command=["echo", "{n}"],
        source={"type": "range", "stop": 10},
        checkpoint={"type": "stamps", "path": str(done)},
    )
    assert ended["state"] == "succeeded"
    assert [row["id"] for row in installed.results("stamped")] == ["7", "8", "9"]
    assert {path.name for path in done.iterdir()} == {*map(str, range(10))}


def test_an_engine_of_a_plugin(installed: Daemon) -> None:
    """Workers of the example's engine, and what they start, have a lower priority; those of other jobs do not."""
    source = {"type": "items", "items": [{"id": 1}]}
    installed.finish("low", command=["nice"], source=source, engine="nice")
    installed.finish("usual", command=["nice"], source=source)
    (low,), (usual,) = installed.results("low"), installed.results("usual")
    assert int(low["result"]) - int(usual["result"]) == 10


@pytest.mark.parametrize(
    ("name", "keys", "why"),
    [
        (
            "source",
            {"source": {"type": "broken"}},
            "plug-in broken (brokn:Source of spoold-broken 1.0): it can't be made",
        ),
        (
            "engine",
            {"engine": "brokn"},
            "plug-in brokn (brokn:Engine of spoold-broken 1.0): what it makes, a Engine, has no",
        ),
    ],
)
def test_a_plugin_that_can_not_be_used(installed: Daemon, name: str, keys: dict[str, object], why: str) -> None:
    """A plug-in that is no good fails the job that names it, which says whose it is; nothing else."""
    ended = installed.finish(name, **{"command": ["true"], "source": {"type": "range", "stop": 1}, **keys})
    assert ended["state"] == "failed"
    assert why in ended["error"]


def test_a_misspelt_plugin(installed: Daemon) -> None:
    """A name that nobody has is refused with the nearest that somebody has."""
    installed.drop("misspelt", command=["true"], source={"type": "mbx", "path": "x"})
    reason = eventually(lambda: installed.rejected().get("misspelt.yaml"), "the rejection")
    assert "unknown type 'mbx' of `source`; did you mean 'mbox'?" in reason
