"""The lists of mutants in tests/mutants, which `bin/mutate` runs. Source: docs/mutation.md."""

from dev import mutation
from tests.support.service import ROOT


def test_every_mutant_fits_the_tree() -> None:
    stale = {mutant.id: why for mutant in mutation.load(ROOT) if (why := mutation.staleness(ROOT, mutant))}
    assert stale == {}, "the code or a test has changed: mend the entry in tests/mutants"
