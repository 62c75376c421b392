"""The configuration."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from spoold.errors import ConfigError
from spoold.supervisor.config import Config, find, load, schema_text

CONFIG = Path(__file__).parents[2] / "config"


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the machine's own."""
    for name in [name for name in os.environ if name.startswith("SPOOLD_")]:
        monkeypatch.delenv(name)


def write(tmp_path: Path, text: str) -> str:
    """A configuration file."""
    path = tmp_path / "c.yaml"
    path.write_text(text)
    return str(path)


def test_defaults() -> None:
    """Without a file the defaults hold."""
    config = Config()
    assert (config.max_jobs, config.sync, config.drain_timeout) == (4, 0.05, 90.0)
    assert (config.limits.manifest, config.limits.result, config.limits.nesting) == (1 << 20, 16 << 20, 32)
    assert config.max_workers % 4 == 0


def test_the_file_shipped_is_the_defaults() -> None:
    """config/spoold.yaml shows every key with its default."""
    text = (CONFIG / "spoold.yaml").read_text(encoding="utf-8")
    assert load(str(CONFIG / "spoold.yaml")) == Config()
    assert _keys(yaml.load(text, yaml.BaseLoader)) == _keys(Config().model_dump())


def _keys(value: Any) -> Any:
    return {key: _keys(inner) for key, inner in value.items()} if isinstance(value, dict) else None


def test_schema_is_current() -> None:
    """config/spoold.schema.json is what the model says."""
    assert (CONFIG / "spoold.schema.json").read_text(encoding="utf-8") == schema_text()


def test_variables_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A SPOOLD_ variable overrides the file's key and leaves its neighbours."""
    monkeypatch.setenv("SPOOLD_MAX_JOBS", "7")
    monkeypatch.setenv("SPOOLD_LOG__LEVEL", "debug")
    monkeypatch.setenv("SPOOLD_SYNC", "1s")
    config = load(write(tmp_path, "max_jobs: 5\nlog: {format: json, max_size: 2MB}\n"))
    assert (config.max_jobs, config.sync) == (7, 1.0)
    assert (config.log.level, config.log.format, config.log.max_size) == ("debug", "json", 2_000_000)


def test_order_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--config comes before $SPOOLD_CONFIG."""
    monkeypatch.setenv("SPOOLD_CONFIG", "/from/variable")
    assert find("/from/option") == "/from/option"
    assert find() == "/from/variable"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("max_jobz: 5\n", ":1:1: unknown key 'max_jobz'; did you mean 'max_jobs'?"),
        ("log:\n  levle: info\n", ":2:3: unknown key 'levle'; did you mean 'level'?"),
        ("max_jobs: 0\n", ":1:11: `max_jobs`"),
        ("sync: 5\n", ":1:7: `sync`: a duration"),
        ("limits: {manifest: 5 apples}\n", ":1:20: `limits.manifest`: a size"),
        ("log: {level: loud}\n", ":1:14: `log.level`"),
        ("max_jobs: [\n", "not valid YAML"),
        ("- a\n", ":1:1: a mapping"),
    ],
)
def test_mistakes_in_their_place(tmp_path: Path, text: str, message: str) -> None:
    """A mistake is told with file, line, column and what to do."""
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, text))
    assert message in str(caught.value)


def test_empty_file(tmp_path: Path) -> None:
    """A file of comments is the defaults."""
    assert load(write(tmp_path, "# nothing\n")) == Config()


def test_missing_file() -> None:
    """A file that was named must be there."""
    with pytest.raises(ConfigError, match="can't be read"):
        load("/nowhere/at/all.yaml")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("SPOOLD_MAX_JOBS", "many", r"\$SPOOLD_MAX_JOBS: `max_jobs` must be a whole number"),
        ("SPOOLD_MAX_JOBZ", "5", r"\$SPOOLD_MAX_JOBZ: unknown variable; did you mean SPOOLD_MAX_JOBS\?"),
        ("SPOOLD_LOG__LEVEL", "loud", r"\$SPOOLD_LOG__LEVEL: `log.level`"),
        ("SPOOLD_LOG", "{broken", "environment"),
    ],
)
def test_bad_variables(monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str) -> None:
    """A mistake in a variable names the variable."""
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=message):
        load()
