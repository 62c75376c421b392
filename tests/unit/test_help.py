"""Help that teaches: examples, what was meant, manual pages."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from spoold.cli.completion import BashWithRunKeys
from spoold.cli.manual import PAGES
from spoold.cli.options import Session
from spoold.cli.spool import GROUPS, cli
from spoold.cli.spoold import cli as daemon

MAN = Path(__file__).parents[2] / "daemon" / "man"
VERBS = [verb for verbs in GROUPS.values() for verb in verbs]


def examples(command: click.Command) -> list[list[str]]:
    """The words of each example in a command's help, up to where the shell has its part."""
    text = (command.help or "").replace("\\b", "\b")
    _, _, shown = text.partition("Example")
    lines = re.findall(r"^\s+(?:ssh \S+ -t )?(spoold? .*)$", shown, re.MULTILINE)
    return [shlex.split(re.split(r" (?:\||>|&&) ", line)[0]) for line in lines]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_examples_that_it_takes(verb: str) -> None:
    """Its help shows at least one call of itself, and what is shown can be typed."""
    context = click.Context(cli, obj=Session())
    found = examples(cli.get_command(context, verb) or cli)
    assert any(words[:2] == ["spool", verb] for words in found)
    for _, name, *rest in found:
        command = cli.get_command(context, name)
        assert command is not None
        command.make_context(name, rest, parent=context)


def test_the_daemon_s_examples_are_taken() -> None:
    """They can be typed as they are shown."""
    found = examples(daemon)
    assert len(found) > 1
    for words in found:
        daemon.make_context("spoold", words[1:])


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("sumbit", "submit"), ("stauts", "status"), ("ls", "status"), ("logs", "tail"), ("retry", "retry-failures")],
)
def test_a_verb_that_is_not_there_is_answered_with_the_one_that_is_meant(typed: str, meant: str) -> None:
    """A slip of the pen, and what other programs call it."""
    done = CliRunner().invoke(cli, [typed])
    assert done.exit_code == 2
    assert f"there is no verb '{typed}'; did you mean '{meant}'?" in done.output


def test_what_nobody_can_mean_is_answered_with_the_list() -> None:
    """Without a guess it says where all verbs stand, and shows no terminal escape."""
    done = CliRunner().invoke(cli, ["\x1b[31mzzz"])
    assert "'\\x1b[31mzzz'; `spool --help` lists the verbs" in done.output


def test_help_fits_a_terminal_of_80_columns() -> None:
    """Every line of every help, but commands to be copied."""
    for verb in [None, *VERBS]:
        text = CliRunner().invoke(cli, [*([verb] if verb else []), "--help"], terminal_width=80).output
        assert [line for line in text.splitlines() if len(line) > 80 and "completions" not in line] == []


@pytest.mark.parametrize("name", PAGES)
def test_manual_pages_are_current(name: str) -> None:
    """They say what --help and the schemas say; `python -m spoold.cli.manual daemon/man` writes them anew."""
    assert (MAN / name).read_text(encoding="utf-8") == PAGES[name]()


@pytest.mark.parametrize(
    ("words", "at", "shown"),
    [
        ("spool st", 1, ["plain,status"]),
        ("spool status ni", 2, ["plain,nightly@2026-01-01"]),
        ("spool status nightly @ 20", 4, ["plain,@2026-01-01"]),
        ("spool status nightly @", 3, ["plain,@2026-01-01"]),
        ("spool tail nightly @ 2026-01-01 --fo", 5, ["plain,--follow"]),
        ("spool wait nightly @ 2026-01-01", 5, ["plain,nightly@2026-01-01"]),
    ],
)
def test_bash_completes_verbs_options_and_jobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, at: int, shown: list[str]
) -> None:
    """Also what stands after the @ of a run key, where bash breaks a word."""
    (tmp_path / "spool" / "jobs" / "nightly@2026-01-01").mkdir(parents=True)
    monkeypatch.setenv("SPOOLD_SPOOL", str(tmp_path / "spool"))
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(at))
    assert BashWithRunKeys(cli, {}, "spool", "_SPOOL_COMPLETE").complete().splitlines() == shown
