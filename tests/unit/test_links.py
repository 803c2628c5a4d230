"""README and docs: links and the paths that they name lead somewhere, and lines are wrapped alike."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
NOW = [page for page in PAGES if page.name != "CHANGELOG.md"]
"""The pages that speak of the project as it is; the changelog's entries speak of their own time."""

FENCED = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
ROOMS = "app|bin|config|db|dev|docs|tasks|telemetry|tests|workers"
PATH = re.compile(rf"(?<![\w/.-])(?:{ROOMS})/[\w./-]*\w")
MODULE = re.compile(rf"(?<![\w/.-])(?:{ROOMS})(?:\.[a-z_]+)+(?![\w/.(])")
WIDTH = 120


def anchors(page: Path) -> set[str]:
    """The anchors that a reader of the repository is given for a page's headings."""
    headings = HEADING.findall(FENCED.sub("", page.read_text()))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(page: Path) -> list[str]:
    return LINK.findall(CODE.sub("", FENCED.sub("", page.read_text())))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = unquote(link).partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, ahead = set(), [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        if page in reached:
            continue
        reached.add(page)
        targets = [(page.parent / link.partition("#")[0]).resolve() for link in links(page) if ":" not in link]
        ahead += [target for target in targets if target.suffix == ".md"]
        # A folder that is linked shows what is in it.
        ahead += [inside for target in targets if target.is_dir() for inside in target.glob("*.md")]
    assert set(PAGES) <= reached


def exists(module: str) -> bool:
    """Return whether a dotted name leads to a module, or to something in one."""
    parts = module.split(".")
    ends = [ROOT.joinpath(*parts[:n]) for n in range(len(parts), 0, -1)]
    found = [it for it in ends if it.with_suffix(".py").exists() or (it / "__init__.py").exists()]
    return bool(found) and (found[0] == ends[0] or parts[len(found[0].relative_to(ROOT).parts)] in source(found[0]))


def source(module: Path) -> str:
    return (module / "__init__.py" if module.is_dir() else module.with_suffix(".py")).read_text()


@pytest.mark.parametrize("page", NOW, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_path_and_module_that_a_page_names_exists(page: Path) -> None:
    named = " ".join(CODE.findall(FENCED.sub("", page.read_text())))
    assert [it for it in PATH.findall(named) if not (ROOT / it).exists()] == []
    assert [it for it in MODULE.findall(named) if not exists(it)] == []


def test_every_page_that_the_code_names_exists() -> None:
    for path in [*ROOT.glob("*/**/*.py"), *ROOT.glob("bin/*")]:
        if path.is_file() and not path.relative_to(ROOT).parts[0].startswith("."):
            for page in re.findall(r"(?<![\w/.-])docs/[\w./-]*\.md", path.read_text()):
                assert (ROOT / page).exists(), f"{page} in {path}"


@pytest.mark.parametrize("page", NOW, ids=lambda page: str(page.relative_to(ROOT)))
def test_prose_is_wrapped_at_120_characters(page: Path) -> None:
    """Tables and blocks of code stay whole; so does code within a line."""
    prose = re.sub(r"^( *)```.*?^ *```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    prose = re.sub(
        r"^\|.*$", "", CODE.sub(lambda code: code[0] if len(code[0]) < WIDTH else "", prose), flags=re.MULTILINE
    )
    assert [line for line in prose.splitlines() if len(line) > WIDTH] == []


def test_table_of_the_rooms_of_app_names_modules_that_are_there() -> None:
    table = (
        (ROOT / "docs" / "architecture.md")
        .read_text()
        .partition("### The rooms of `app`")[2]
        .partition("\nOne place")[0]
    )
    for room, modules in re.findall(r"^\| `(app/routes|app)`[^|]*\|(.*)\|$", table, re.MULTILINE):
        assert [it for it in re.findall(r"`(\w+)`", modules) if not (ROOT / room / f"{it}.py").exists()] == []
