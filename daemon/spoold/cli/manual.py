"""The manual pages, made of what --help and the JSON Schemas say: `python -m spoold.cli.manual daemon/man`.

They are checked in, and installed as share/man by the wheel.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from spoold.cli.manual_keys import keys
from spoold.cli.roff import Roff
from spoold.cli.spool import GROUPS, cli
from spoold.cli.spoold import cli as daemon
from spoold.core.manifest import Manifest
from spoold.supervisor.config import Config

if TYPE_CHECKING:
    from collections.abc import Callable

_PAGES: Final = ("spool(1)", "spoold(8)", "spoold-manifest(5)", "spoold.yaml(5)")


def spool_page() -> str:
    """spool(1)."""
    page = _begin("spool", 1, "hand batch jobs to spoold, watch them, and get what came of them")
    context = click.Context(cli, info_name="spool", **cli.context_settings)
    page.section("SYNOPSIS").command("spool [OPTIONS] VERB [ARGS]...")
    page.section("DESCRIPTION").help(cli.help or "")
    page.section("OPTIONS")
    _options(page, cli, context)
    for group, verbs in GROUPS.items():
        page.section(group.upper())
        for verb in verbs:
            command = cli.get_command(context, verb)
            assert command is not None
            inner = click.Context(command, info_name=verb, parent=context)
            page.subsection(" ".join(["spool", verb, *command.collect_usage_pieces(inner)]))
            page.help(command.help or "")
            _options(page, command, inner, without=("--help", "--json", "--spool"))
    page.section("NOTES").help(cli.epilog or "")
    return _end(page, "spool(1)")


def daemon_page() -> str:
    """spoold(8)."""
    page = _begin("spoold", 8, "take batch jobs from a spool directory and run them, item by item")
    page.section("SYNOPSIS").command("spoold [OPTIONS]")
    page.section("DESCRIPTION").help(daemon.help or "")
    page.section("OPTIONS")
    _options(page, daemon, click.Context(daemon, info_name="spoold", **daemon.context_settings))
    return _end(page, "spoold(8)")


def manifest_page() -> str:
    """spoold-manifest(5)."""
    page = _begin("spoold-manifest", 5, "what a job is: a YAML or JSON file dropped into a spool")
    page.section("DESCRIPTION").help(
        "A manifest is one mapping. A key that is unknown, there twice or of the wrong type: rejected.\n\n"
        "\b\nhandler: mine:Embedder\nsource: {type: jsonl, path: docs.jsonl}\nid: doc_id\nworkers: 4\n\n"
        "`spool validate FILE` checks one, `spool try FILE` runs its first items, `spool submit FILE` hands it over."
    )
    page.section("KEYS")
    _keys(page, Manifest.model_json_schema())
    return _end(page, "spoold-manifest(5)")


def config_page() -> str:
    """spoold.yaml(5)."""
    page = _begin("spoold.yaml", 5, "the configuration of spoold")
    page.section("DESCRIPTION").help(
        "Read from --config, else $SPOOLD_CONFIG, else /etc/spoold/spoold.yaml if it is there. A variable overrides a "
        "key: SPOOLD_MAX_JOBS=8, SPOOLD_LOG__LEVEL=debug."
    )
    page.section("KEYS")
    _keys(page, Config.model_json_schema())
    return _end(page, "spoold.yaml(5)")


PAGES: Final[dict[str, Callable[[], str]]] = {
    "spool.1": spool_page,
    "spoold.8": daemon_page,
    "spoold-manifest.5": manifest_page,
    "spoold.yaml.5": config_page,
}


def _begin(name: str, section: int, what: str) -> Roff:
    return Roff(name, section, what)


def _end(page: Roff, own: str) -> str:
    page.section("SEE ALSO").help(", ".join(one for one in _PAGES if one != own))
    return page.text()


def _options(page: Roff, command: click.Command, context: click.Context, without: tuple[str, ...] = ()) -> None:
    for parameter in command.get_params(context):
        record = None if isinstance(parameter, click.Argument) else parameter.get_help_record(context)
        if record is not None and not set(without) & {*parameter.opts}:
            page.item(record[0], record[1])


def _keys(page: Roff, schema: dict[str, Any]) -> None:
    for key in keys(schema):
        page.item(key.name, key.text, depth=key.depth, kind=key.kind)


def main(folder: str) -> None:
    """Write all pages into a folder."""
    for name, make in PAGES.items():
        (Path(folder) / name).write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
