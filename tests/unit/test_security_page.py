"""docs/security.md: each row names a test that exists."""

import re

from tests.support.service import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text()


def test_every_named_test_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGE)
    assert len(named) > 30
    for path, name in named:
        text = (ROOT / path).read_text()
        assert not name or re.search(rf"^ *def {name}\(", text, re.MULTILINE), f"{path}::{name}"
