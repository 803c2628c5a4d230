"""Starts Flower on `FLOWER_PORT`; in production only behind `FLOWER_BASIC_AUTH`."""

import os
import sys

from celery import __main__ as celery

from config import settings
from config.version import VERSION
from telemetry import logs

COLUMNS = "name,state,received,runtime,uuid,args"
"""Of the list of tasks; arguments come last, since those of a batch are longer than any window is wide."""


def main() -> None:
    """Check the settings, then run Flower."""
    config = settings.load_or_exit()
    if config.production and not config.flower_basic_auth:
        settings.exit_with(["FLOWER_BASIC_AUTH: production needs user:password, since Flower shows every task"])
    command = ["celery", "-A", "workers.app", "flower", f"--port={config.flower_port}", f"--tasks_columns={COLUMNS}"]
    if not config.flower_basic_auth:
        command.append("--address=127.0.0.1")
    else:
        # By the environment: the command line is for everybody on the machine to see.
        os.environ["FLOWER_BASIC_AUTH"] = config.flower_basic_auth
    # Before Flower and its web server, which would each write to standard error themselves, and wait there.
    logs.set_up(config.log_level, json=config.production)
    logs.started("flower", VERSION)
    sys.argv = command
    sys.exit(celery.main())


if __name__ == "__main__":
    main()
