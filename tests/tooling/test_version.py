"""Each process of the Procfile says at its start which version it is."""

import shlex

import pytest

from config.version import VERSION
from dev.procfile import read_procfile
from tests.support.service import ROOT, Service, Stores, eventually, free_port

PROCESSES = read_procfile(ROOT / "Procfile")


@pytest.mark.parametrize("name", PROCESSES)
def test_process_logs_its_version(service: Service, stores: Stores, name: str) -> None:
    ports = {"PORT": str(free_port()), "FLOWER_PORT": str(free_port()), "WORKER_METRICS_PORT": "0"}
    process = service.start(name, shlex.split(PROCESSES[name]), stores.environment(**ports))
    line = f"scoreboard.process: process.started part={name} version={VERSION}\n"
    eventually(lambda: line in process.output(), within=30, what=f"{line!r} in {process.log}")
