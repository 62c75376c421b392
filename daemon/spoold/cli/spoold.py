"""spoold: the daemon, in the foreground, as systemd wants it."""

from __future__ import annotations

import json
import sys
from typing import Final

import click

from spoold.errors import ConfigError, SpooldError, SpoolError
from spoold.spool import Spool
from spoold.supervisor import config as configuration
from spoold.supervisor.config import Config
from spoold.supervisor.where import find_spool

EX_USAGE: Final = 64
EX_IOERR: Final = 74
EX_TEMPFAIL: Final = 75
EX_CONFIG: Final = 78

_HELP = """Take batch jobs from a spool directory and run them, item by item.

Drop a manifest into SPOOL/incoming/; find results, failures, log and report in SPOOL/jobs/JOB/. `spool` is the
operator's command, `spool schema` and `spool schema config` print what a manifest and the configuration may say.

\b
Examples:
  spoold --spool /srv/spool
  spoold --spool /srv/spool --until-idle
  spoold --config spoold.yaml --check

SIGTERM and SIGINT drain: items in flight finish, everything resumes at the next start. A second SIGINT, or SIGQUIT,
ends the drain at once. SIGHUP reads the configuration again.

Exit: 0 drained, or idle with every job succeeded; 1 with --until-idle: a job did not, or a manifest was rejected; 64
usage; 74 the spool can't be written; 75 another daemon holds the spool; 78 configuration.
"""


@click.command(help=_HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--spool",
    "spool_path",
    metavar="DIR",
    help="The spool. Default: $SPOOLD_SPOOL, the configuration's, ./spool if it is one, /var/spool/spoold.",
)
@click.option(
    "--config",
    "config_path",
    metavar="FILE",
    help="Default: $SPOOLD_CONFIG, else /etc/spoold/spoold.yaml if it is there.",
)
@click.option("--until-idle", is_flag=True, help="End when nothing is queued or running.")
@click.option("--check", is_flag=True, help="Check configuration and spool, print the settings, and end.")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), help="Over the configuration's.")
@click.option("--log-format", type=click.Choice(["text", "json"]), help="Over the configuration's.")
@click.version_option(package_name="spoold", prog_name="spoold")
def cli(
    spool_path: str | None,
    config_path: str | None,
    until_idle: bool,  # noqa: FBT001 - click passes flags by name
    check: bool,  # noqa: FBT001 - the same
    log_level: str | None,
    log_format: str | None,
) -> int:
    """Read the settings, then be the daemon; the exit code."""
    try:
        config = _with(configuration.load(config_path), level=log_level, format=log_format)
        spool = Spool(find_spool(spool_path, config))
        if check:
            spool.create()
            spool.check()
            _print_settings(config, spool)
            return 0
        return _serve(spool, config, config_path, until_idle=until_idle)
    except ConfigError as error:
        return _complain(error, EX_CONFIG)
    except SpoolError as error:
        return _complain(error, EX_IOERR)


def _serve(spool: Spool, config: Config, config_path: str | None, *, until_idle: bool) -> int:
    # imported here, so that --help and a wrong option answer at once
    from spoold.supervisor.daemon import HeldError, serve  # noqa: PLC0415 - see above

    try:
        return serve(spool, config, config_path, until_idle=until_idle)
    except HeldError as held:
        return _complain(held, EX_TEMPFAIL)


def _with(config: Config, **log: str | None) -> Config:
    """The configuration with what the command line says about the log."""
    given = {name: value for name, value in log.items() if value is not None}
    return config.model_copy(update={"log": config.log.model_copy(update=given)}) if given else config


def _print_settings(config: Config, spool: Spool) -> None:
    settings = config.model_dump(mode="json") | {"spool": spool.root}
    click.echo(json.dumps(settings, indent=2))


def _complain(error: SpooldError, code: int) -> int:
    click.echo(f"spoold: {error}", err=True)
    return code


def main() -> None:
    """The console script."""
    try:
        code = cli.main(standalone_mode=False)
    except click.UsageError as error:
        error.show()
        code = EX_USAGE
    except click.exceptions.Exit as done:
        code = done.exit_code
    except click.Abort:
        code = 130
    sys.exit(code)
