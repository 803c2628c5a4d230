"""`bin/manage`, without a process for each command: starting one takes longer than what it does."""

import subprocess

from click.testing import CliRunner

from app.cli.__main__ import cli
from tests.support.service import Stores


def manage(stores: Stores, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a command of the shell on these stores, in this process; what would be a traceback is raised."""
    env = stores.environment(**environment)
    done = CliRunner().invoke(cli, arguments, env=env, prog_name="bin/manage")
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)
