"""The page's ES modules: their imports run one way."""

import re
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from app.routes import static_files
from app.routes.page_files import with_files
from app.routes.static_files import release

STATIC = Path(__file__).parents[2] / "app" / "static"
ENTRIES = {
    "index.html": "page.js",
    "docs.html": "docs.js",
    "operator.html": "organizer.js",
    "embed.html": "embed.js",
    "wall.html": "wall.js",
}
"""The pages, and the module with which each begins."""
IMPORT = re.compile(r'^import (?:[^"]*? from )?"(.+?)";$', re.MULTILINE)


def named(end: str) -> list[str]:
    """The files of a kind, by their paths below app/static."""
    return [path.relative_to(STATIC).as_posix() for path in STATIC.rglob(f"*.{end}")]


def imports(module: str) -> set[str]:
    """The modules that a module imports, below app/static."""
    there = (STATIC / module).parent
    found = IMPORT.findall((STATIC / module).read_text())
    return {(there / path).resolve().relative_to(STATIC).as_posix() for path in found}


def test_imports_have_no_cycle_and_reach_every_module() -> None:
    graph = {module: imports(module) for module in named("js")}
    order = list(TopologicalSorter(graph).static_order())  # raises on a cycle
    assert set(order) == set(graph)
    assert set.union(*graph.values()) == set(graph) - {*ENTRIES.values(), "element.js"}, "but for the element of others"


@pytest.mark.parametrize("page", ENTRIES)
def test_html_names_the_entry_alone(page: str) -> None:
    named = re.findall(r'<script type="module" src="(.+?)"', (STATIC / page).read_text())
    assert named == [f"static/{ENTRIES[page]}"]


@pytest.mark.parametrize("page", ENTRIES)
def test_page_asks_for_all_its_modules_at_once(page: str) -> None:
    """Else a browser would find them one level of imports after the other, each a round trip later."""
    needed: set[str] = set()
    found = {ENTRIES[page]}
    while found:
        needed |= found
        found = set().union(*(imports(module) for module in found)) - needed
    files = release(production=True)
    markup = with_files((STATIC / page).read_text(), files)
    preloaded = re.findall(r'<link rel="modulepreload" href="static/(.+?)">', markup)
    assert sorted(preloaded) == sorted(f"{files.digest}/{module}" for module in needed - {ENTRIES[page]})
    assert f'<script type="module" src="static/{files.digest}/{ENTRIES[page]}">' in markup


@pytest.mark.parametrize("file", sorted(it for end in ("html", "css", "js") for it in named(end)))
def test_no_file_names_an_address_from_the_root_of_the_host(file: str) -> None:
    """The service may stand below a path: addresses are relative, or made by `address` or `call` of api.js."""
    text = re.sub(r"^ ?/?\*.*$", "", (STATIC / file).read_text(), flags=re.MULTILINE)
    in_markup = r"""(?:href|src|action|content)="|url\(["']?"""
    in_script = r"""(?:from |import\(|fetch\(|URL\(|(?:href|src|url)(?: =|:) )["'`]"""
    assert re.findall(f"(?:{in_markup}|{in_script})/", text) == []


def test_file_that_is_edited_is_seen_by_who_develops_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(static_files, "FOLDER", tmp_path)
    static_files._read.cache_clear()
    page = tmp_path / "page.js"
    page.write_text("1;")
    before = [release(production=it) for it in (True, False)]
    page.write_text("one();")
    after = [release(production=it) for it in (True, False)]
    assert [it.files["page.js"].body for it in before] == [b"1;", b"1;"]
    assert [it.files["page.js"].body for it in after] == [b"1;", b"one();"]
    assert before[1].digest != after[1].digest
    static_files._read.cache_clear()


YOUNG = {
    "optional chaining or ?? (80)": r"\?\.(?!\d)|\?\?",
    "logical assignment (85)": r"(?:\|\||&&)=",
    "a private method (84)": r"^\s+(?:async |static )?#\w+\(",
    "a static block (94)": r"\bstatic \{",
    "await at the top (89)": r"^(?:const .*= )?await ",
    "a younger function": r"\.(?:at|replaceAll|replaceChildren|getAnimations|findLast|toSorted)\("
    r"|structuredClone|Promise\.any|AbortSignal\.(?:timeout|any)|WeakRef|crypto\.randomUUID|Object\.hasOwn|pseudoElement",
}
"""What Chromium 79 doesn't read, by what it is and when Chromium learned it."""


@pytest.mark.parametrize("page", ["wall.html", "embed.html"])
def test_tv_of_2021_can_read_every_module(page: str) -> None:
    """One that it can't read would leave it without any: a mistake of syntax anywhere stops all of a page's modules."""
    needed: set[str] = set()
    found = {ENTRIES[page]}
    while found:
        needed |= found
        found = set().union(*(imports(module) for module in found)) - needed
    for module in sorted(needed):
        text = re.sub(r"/\*.*?\*/|(?<![:\"'])//[^\n]*", "", (STATIC / module).read_text(), flags=re.DOTALL)
        text = re.sub(r'"(?:[^"\\\n]|\\.)*"', '""', text)
        found_young = {what: re.findall(young, text, re.MULTILINE) for what, young in YOUNG.items()}
        assert {what: there for what, there in found_young.items() if there} == {}, module
