"""A thread writes log lines: nobody waits for the reader, what waits is bounded, and what is lost is counted."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from telemetry import log_writer
from telemetry.log_writer import Writer
from tests.support.service import eventually


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The reading end of a pipe that stands for standard error."""
    reader, writer = os.pipe()
    monkeypatch.setattr(log_writer, "STANDARD_ERROR", writer)
    yield reader
    os.close(writer)
    os.close(reader)


@pytest.fixture
def writer() -> Writer:
    return Writer(lambda lines: b"lost %d\n" % lines)


def test_writer_keeps_the_order_of_lines(pipe: int, writer: Writer) -> None:
    for number in range(1000):
        writer.put(b"%d\n" % number)
    writer.flush()
    assert os.read(pipe, 65536) == b"".join(b"%d\n" % number for number in range(1000))


def test_writer_drops_what_nobody_reads_counts_it_and_says_so(
    pipe: int, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_writer, "MOST_WAITING", 100_000)
    counted: list[None] = []
    writer.on_drop = lambda: counted.append(None)
    line = b"x" * 999 + b"\n"
    for _ in range(500):  # a pipe takes 64 of them
        writer.put(line)
    assert 336 <= len(counted) <= 436
    taken = b""

    def read_on() -> bool:
        nonlocal taken
        taken += os.read(pipe, 65536)
        return b"lost" in taken

    eventually(read_on, what="the line on what was lost")
    assert taken.count(line) == 500 - len(counted)
    assert taken.endswith(b"lost %d\n" % len(counted))
    writer.put(b"again\n")
    writer.flush()
    assert os.read(pipe, 65536) == b"again\n"


def test_writer_is_used_by_many_threads_at_once(pipe: int, writer: Writer) -> None:
    def put() -> None:
        for _ in range(100):
            writer.put(b"line\n")

    threads = [threading.Thread(target=put) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.flush()
    assert os.read(pipe, 65536) == b"line\n" * 800


def test_writer_works_in_a_forked_process_and_repeats_nothing(pipe: int, writer: Writer) -> None:
    writer.put(b"parent\n")
    child = os.fork()
    if child == 0:
        writer.put(b"child\n")
        writer.flush()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    writer.flush()
    assert sorted(os.read(pipe, 65536).split()) == [b"child", b"parent"]


def test_writer_writes_the_last_lines_of_a_process_that_ends() -> None:
    program = """if True:
        import logging
        from telemetry import logs
        logs.set_up("INFO", json=True)
        logging.getLogger("a").info("first")
        raise SystemExit("the reason")
    """
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=False)
    assert '"event":"first"' in ended.stderr
    assert "the reason" in ended.stderr
