"""Finding what other distributions bring, and what keeps it from being used."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.installing import install

from spoold import plugins
from spoold.errors import PluginError, SourceError
from spoold.registry import make_checkpoint, make_source, plugin_names

SOURCE = """
class Good:
    natural_ids = unique = False
    own_json = foreign = True
    def __init__(self, options): self.options = options
    @classmethod
    def from_options(cls, options, cwd): return cls(options)
    def stat(self): return None
    def batches(self, start=0): return iter(())
    def describe(self): return f"good {self.options['n']}"

class Lacking:
    natural_ids = True
    @classmethod
    def from_options(cls, options, cwd): return cls()

class Picky(Good):
    @classmethod
    def from_options(cls, options, cwd):
        from spoold.errors import SourceError
        raise SourceError("n is too small")

class Broken(Good):
    @classmethod
    def from_options(cls, options, cwd): return options["missing"]
"""

THREAD = "import threading, time\nthreading.Thread(target=time.sleep, args=(0.3,)).start()"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on sys.path."""
    folder = tmp_path / "site"
    folder.mkdir(mode=0o755)
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    for name in [name for name in sys.modules if name.startswith(("spoold_good", "spoold_other"))]:
        del sys.modules[name]


def sources(site: Path, points: dict[str, str], text: str = SOURCE, name: str = "spoold-good") -> None:
    """Install sources, in a package named as their distribution."""
    package = name.replace("-", "_")
    named = {point: f"{package}.inner:{kind}" for point, kind in points.items()}
    install(site, name, "1.2", {"spoold.sources": named}, {f"{package}/__init__.py": "", f"{package}/inner.py": text})


def test_a_plugin_is_found_by_its_name(site: Path) -> None:
    """A source that an installed distribution names is made as those that are built in are."""
    sources(site, {"good": "Good"})
    assert make_source({"type": "good", "n": 5}, "/").describe() == "good 5"


def test_names_import_nothing(site: Path) -> None:
    """Plug-ins are listed from metadata alone, without those that would replace something built in."""
    sources(site, {"good": "Good", "jsonl": "Good", "able": "Nothing"}, "raise SystemExit('imported')")
    assert plugin_names("sources") == ["able", "good"]
    assert plugin_names("engines") == plugin_names("checkpoints") == []


def test_what_is_built_in_can_not_be_replaced(site: Path) -> None:
    """A plug-in with the name of something built in is never imported."""
    sources(site, {"range": "Good"}, "raise SystemExit('imported')")
    assert make_source({"type": "range", "stop": 3}, "/").describe() == "range 0 to 3 by 1"


def test_a_name_that_nobody_has(site: Path) -> None:
    """An unknown name is told with all that there are."""
    sources(site, {"good": "Good"})
    with pytest.raises(SourceError, match=r"there is no source 'goood'; use one of .*stream, good$"):
        make_source({"type": "goood"}, "/")


def test_two_plugins_of_one_name(site: Path) -> None:
    """Of two distributions with one name neither is used, and both are told."""
    sources(site, {"good": "Good"})
    sources(site, {"good": "Good"}, name="spoold-other")
    assert plugin_names("sources") == ["good"]
    with pytest.raises(PluginError) as caught:
        make_source({"type": "good"}, "/")
    for one in ("spoold_good.inner:Good of spoold-good 1.2", "spoold_other.inner:Good of spoold-other 1.2"):
        assert one in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "text", "why"),
    [
        ("Lacking", SOURCE, "a Lacking, has no unique, own_json, foreign, stat, batches, describe"),
        ("Broken", SOURCE, "it can't be made: KeyError: 'missing'"),
        (
            "Nothing",
            SOURCE,
            "it can't be imported: AttributeError: module 'spoold_good.inner' has no attribute 'Nothing'",
        ),
        ("Good", "import no_such_module_here", "it can't be imported: ModuleNotFoundError"),
        ("Good", "raise SystemExit(3)", "it can't be imported: SystemExit: 3"),
        (
            "Good",
            SOURCE + "import threading, time\nthreading.Thread(target=time.sleep, args=(0.3,)).start()",
            "started a thread",
        ),
    ],
)
def test_a_plugin_that_can_not_be_used(site: Path, kind: str, text: str, why: str) -> None:
    """What is wrong with a plug-in is told with its entry point and its distribution."""
    sources(site, {"good": kind}, text)
    with pytest.raises(PluginError) as caught:
        make_source({"type": "good"}, "/")
    assert str(caught.value).startswith(f"plug-in good (spoold_good.inner:{kind} of spoold-good 1.2): ")
    assert why in str(caught.value)


def test_what_a_plugin_refuses(site: Path) -> None:
    """An error that a plug-in raises on purpose is told as it is."""
    sources(site, {"picky": "Picky"})
    with pytest.raises(SourceError, match=r"^n is too small$"):
        make_source({"type": "picky"}, "/")


def test_a_module_that_is_not_there(site: Path) -> None:
    """An entry point that names no module is told."""
    install(site, "spoold-good", "1.2", {"spoold.checkpoints": {"good": "nowhere.at.all:Good"}}, {})
    with pytest.raises(PluginError, match="it can't be imported: ModuleNotFoundError"):
        make_checkpoint({"type": "good"}, job="x", cwd="/")


@pytest.mark.parametrize(
    "path",
    ["spoold_good/inner.py", "spoold_good", "spoold_good/__init__.py", "spoold_good-1.2.dist-info/entry_points.txt"],
)
def test_a_plugin_that_others_can_change(site: Path, path: str) -> None:
    """Code that others can write is not imported, and the command that mends it is told."""
    sources(site, {"good": "Good"})
    (site / path).chmod((site / path).stat().st_mode | 0o020)
    with pytest.raises(PluginError, match=rf"others may write to {site / path}, .*; chmod go-w {site / path}$"):
        make_source({"type": "good"}, "/")
    assert "spoold_good" not in sys.modules


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_plugin_of_somebody_else(site: Path) -> None:
    """Code that belongs to another user than root or the daemon's is not imported."""
    sources(site, {"good": "Good"})
    os.chown(site / "spoold_good/inner.py", 12345, -1)
    with pytest.raises(PluginError, match="belongs to user 12345, who may change what the daemon runs"):
        plugins.load("sources", "good")
