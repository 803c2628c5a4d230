"""Who may import whom, and what lives in one place alone. Source: docs/architecture.md."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("app", "tasks", "workers", "db", "config", "telemetry", "dev")

MAY_IMPORT = {
    "web": {"web", "app.board", "app.outgoing", "app.domain", "db", "config", "telemetry"},
    "app.outgoing": {"app.outgoing", "app.board", "app.domain", "db", "config", "telemetry"},
    "app.board": {"app.board", "app.domain", "db", "config", "telemetry"},
    "app.domain": {"app.domain"},
    "tasks": {"tasks", "app.board", "app.outgoing", "app.domain", "db", "config", "telemetry"},
    "workers": {"workers", "tasks", "app.domain", "db", "config", "telemetry"},
    "db": {"db", "app.domain", "config", "telemetry"},
    "config": {"config"},
    "telemetry": {"telemetry"},
    "dev": {"dev", "web", "app.domain", "db", "config"},
}
MODULES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


NAMES = {name_of(path) for path in MODULES} | set(ROOMS)


def room_of(module: str) -> str | None:
    """Return the room that a module belongs to; None when it isn't ours."""
    first, *rest = module.split(".")
    if first not in ROOMS:
        return None
    if first != "app":
        return first
    return f"app.{rest[0]}" if rest and rest[0] in ("board", "outgoing", "domain") else "web"


def imports(path: Path) -> Iterator[str]:
    """Return every module that a file imports, anywhere in it, under its full name."""
    here = name_of(path).split(".")
    package = here if path.name == "__init__.py" else here[:-1]
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                yield f"{source}.{alias.name}" if f"{source}.{alias.name}" in NAMES else source


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def trees(*rooms: str) -> Iterator[tuple[str, ast.Module]]:
    for path in MODULES:
        if path.relative_to(ROOT).parts[0] in rooms:
            yield name_of(path), tree_of(path)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_module_imports_only_what_its_room_may(path: Path) -> None:
    room = room_of(name_of(path))
    assert room is not None
    foreign = {it for it in imports(path) if (other := room_of(it)) is not None and other not in MAY_IMPORT[room]}
    assert foreign == set()


def test_rooms_are_told_apart() -> None:
    assert [room_of(it) for it in ("app.main", "app", "app.board.top", "app.domain", "db.users", "starlette.app")] == [
        "web",
        "web",
        "app.board",
        "app.domain",
        "db",
        None,
    ]
    assert set(imports(ROOT / "app" / "main.py")) >= {"app.router", "db.engine", "config.settings", "asyncio"}


@pytest.mark.parametrize("room", ["app.domain", "config", "telemetry", "db"])
def test_rooms_below_know_no_web_framework_and_no_queue(room: str) -> None:
    for path in MODULES:
        if room_of(name_of(path)) == room:
            known = {it.partition(".")[0] for it in imports(path)}
            assert not known & {"starlette", "uvicorn", "celery", "broadcaster"}, path


def test_domain_does_no_input_or_output() -> None:
    forbidden = {"sqlalchemy", "psycopg2", "redis", "asyncio", "socket", "os", "time", "random", "threading", "logging"}
    for path in MODULES:
        if room_of(name_of(path)) == "app.domain":
            assert not {it.partition(".")[0] for it in imports(path)} & forbidden, path


WEB = ("starlette", "uvicorn", "broadcaster", "app.main", "app.web", "app.router", "app.http", "app.routes")
"""What a web process imports, and no other."""


@pytest.mark.parametrize(
    ("module", "never"),
    [
        ("tasks.settle", WEB),
        ("tasks.sweep", WEB),
        ("tasks.webhooks", WEB),
        ("workers.app", WEB),
        ("app.main", ("tasks", "workers", "flower", "tornado")),
        ("app.domain.ranking", ("sqlalchemy", "redis", "db", "config", "starlette")),
        ("config.settings", ("app", "db", "tasks", "workers")),
    ],
)
def test_importing_a_module_does_not_load_what_it_must_not_know(module: str, never: tuple[str, ...]) -> None:
    program = f"import sys, importlib; importlib.import_module({module!r}); print('\\n'.join(sys.modules))"
    env = {"PATH": os.environ["PATH"], "DATABASE_URL": "postgres://h/d", "REDIS_URL": "redis://h"}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=env, capture_output=True, text=True, timeout=30, check=True
    )
    loaded = set(done.stdout.split())
    assert module in loaded
    assert {it for it in loaded if it in never or it.startswith(tuple(f"{name}." for name in never))} == set()


def strings(tree: ast.Module) -> Iterator[str]:
    """Return every string of a module that isn't a docstring."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {id(node.body[0].value) for node in ast.walk(tree) if isinstance(node, documented) and _has_doc(node)}  # type: ignore[attr-defined]
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def _has_doc(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return ast.get_docstring(node, clean=False) is not None


def attributes(tree: ast.Module) -> set[str]:
    return {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


KEY_OR_CHANNEL = re.compile(r"top_scores:.*|top_scores_updates|scoreboard:\S*", re.DOTALL)


def test_keys_and_channels_are_named_in_one_place() -> None:
    named = {module: sorted(filter(KEY_OR_CHANNEL.fullmatch, strings(tree))) for module, tree in trees(*ROOMS)}
    assert [module for module, keys in named.items() if keys] == ["db.redis"]
    assert {"top_scores:10", "top_scores_updates"} <= set(named["db.redis"])


def test_lua_is_written_in_two_places() -> None:
    scripts = {module for module, tree in trees(*ROOMS) for it in strings(tree) if "redis.call" in it}
    assert scripts == {"db.redis", "app.access.token_bucket"}
    calls = {"register_script", "script_load", "eval", "evalsha"}
    assert {module for module, tree in trees(*ROOMS) if attributes(tree) & calls} == {
        "db.redis",
        "app.access.token_bucket",
    }


ENVIRONMENT = {"environ", "environb", "getenv", "getenvb", "putenv"}


def reads_environment(tree: ast.Module) -> bool:
    """Return whether a module uses `os.environ` or its like, under whatever name."""
    imported = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "os"
        for alias in node.names
    }
    uses = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os"
    }
    return bool((imported | uses) & ENVIRONMENT)


def test_environment_is_read_by_the_settings_only() -> None:
    readers = {module for module, tree in trees(*ROOMS) if reads_environment(tree)}
    readers = {module for module in readers if not module.startswith("dev.")}
    assert readers == {"config.settings", "telemetry.metrics_directory", "workers.flower"}


def test_sql_is_written_in_the_database_room() -> None:
    sql = re.compile(r"\s*(SELECT\s.*\sFROM|INSERT INTO|UPDATE|DELETE FROM|WITH|LOCK TABLE)\s", re.DOTALL)
    writers = {
        module
        for module, tree in trees("app", "tasks", "workers", "config", "telemetry")
        if any(map(sql.match, strings(tree)))
    }
    assert writers == set()


def test_task_names_are_in_the_list_of_queues() -> None:
    name = re.compile(r"scoreboard\.(settle|sweep|audit|webhooks)")
    for module, tree in trees(*ROOMS):
        loggers = {id(it) for node in ast.walk(tree) if _makes_a_logger(node) for it in ast.walk(node)}
        named = {it.value for it in ast.walk(tree) if isinstance(it, ast.Constant) and id(it) not in loggers}
        assert module == "config.queues" or not any(isinstance(it, str) and name.fullmatch(it) for it in named), module


def _makes_a_logger(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "getLogger"
