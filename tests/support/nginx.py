"""Debian's nginx, as a process of a test."""

import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from tests.support.service import Process, Service, eventually


def folders(folder: Path) -> str:
    """Return the directives that keep nginx's temporary files in a folder."""
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    return "".join(f"    {kind}_temp_path {folder / kind};\n" for kind in kinds)


def start(service: Service, folder: Path, configuration: str, port: int) -> Process:
    """Start nginx with a configuration that listens on a port."""
    program = shutil.which("nginx") or shutil.which("/usr/sbin/nginx") or pytest.fail("apt install nginx")
    file = folder / "nginx.conf"
    file.write_text(configuration)
    command = [program, "-p", str(folder), "-c", str(file)]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    process = service.start("nginx", [*command, "-g", "daemon off;"], service.stores.environment(), port)
    eventually(lambda: _listens(port), what="nginx")
    return process


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
