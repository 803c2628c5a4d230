"""The page's ES modules: their imports run one way."""

import re
from graphlib import TopologicalSorter
from pathlib import Path

STATIC = Path(__file__).parents[2] / "app" / "static"
IMPORT = re.compile(r'^import .*?from "(.+?)";$', re.MULTILINE | re.DOTALL)


def imports(module: Path) -> set[str]:
    """The files that a module imports; the client is served at /scoreboard.js."""
    return {path.rpartition("/")[2] for path in IMPORT.findall(module.read_text())}


def test_the_imports_have_no_cycle_and_reach_every_module() -> None:
    graph = {module.name: imports(module) for module in STATIC.glob("*.js")}
    order = list(TopologicalSorter(graph).static_order())  # raises on a cycle
    assert order[-1] == "page.js"
    assert set(order) == set(graph)
    assert set.union(*graph.values()) == set(graph) - {"page.js"}


def test_the_html_names_the_entry_alone() -> None:
    assert re.findall(r'<script type="module" src="(.+?)"', (STATIC / "index.html").read_text()) == ["/static/page.js"]
