"""The page's ES modules: their imports run one way."""

import re
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

STATIC = Path(__file__).parents[2] / "app" / "static"
ENTRIES = {"index.html": "page.js", "docs.html": "docs.js", "operator.html": "operator.js"}
"""The pages, and the module with which each begins."""
IMPORT = re.compile(r'^import (?:[^"]*? from )?"(.+?)";$', re.MULTILINE)


def imports(module: Path) -> set[str]:
    """The files that a module imports."""
    return {path.rpartition("/")[2] for path in IMPORT.findall(module.read_text())}


def test_imports_have_no_cycle_and_reach_every_module() -> None:
    graph = {module.name: imports(module) for module in STATIC.glob("*.js")}
    order = list(TopologicalSorter(graph).static_order())  # raises on a cycle
    assert set(order) == set(graph)
    assert set.union(*graph.values()) == set(graph) - set(ENTRIES.values())


@pytest.mark.parametrize("page", ENTRIES)
def test_html_names_the_entry_alone(page: str) -> None:
    named = re.findall(r'<script type="module" src="(.+?)"', (STATIC / page).read_text())
    assert named == [f"static/{ENTRIES[page]}"]


def test_page_asks_for_all_its_modules_at_once() -> None:
    """Else a browser would find them one level of imports after the other, each a round trip later."""
    needed: set[str] = set()
    found = {ENTRIES["index.html"]}
    while found:
        needed |= found
        found = set().union(*(imports(STATIC / module) for module in found)) - needed
    preloaded = re.findall(r'<link rel="modulepreload" href="static/(.+?)">', (STATIC / "index.html").read_text())
    assert preloaded == sorted(needed - {ENTRIES["index.html"]})


@pytest.mark.parametrize("file", sorted(path.name for path in STATIC.iterdir() if path.suffix not in ("", ".ts")))
def test_no_file_names_an_address_from_the_root_of_the_host(file: str) -> None:
    """The service may stand below a path: addresses are relative, or made by `address` or `call` of api.js."""
    text = re.sub(r"^ ?/?\*.*$", "", (STATIC / file).read_text(), flags=re.MULTILINE)
    in_markup = r"""(?:href|src|action|content)="|url\(["']?"""
    in_script = r"""(?:from |import\(|fetch\(|URL\(|(?:href|src|url)(?: =|:) )["'`]"""
    assert re.findall(f"(?:{in_markup}|{in_script})/", text) == []
