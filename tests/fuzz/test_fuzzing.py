"""Damaged files of every kind end as converted, perhaps with a note, or refused with a reason.

A few hundred mutants run by default, `make test-fuzz` runs 10,000. Each mutant is known by its
seed: FUZZ_SEED=n FUZZ_MUTANTS=1 repeats one, whose files are kept under `.pytest_cache`.
"""

import os
import shutil
from collections import Counter
from pathlib import Path

import pytest

from remodal.process.progress import progress
from tests.fuzz.mutants import mutant
from tests.fuzz.originals import originals
from tests.fuzz.outcomes import Whole, WrongOutcomeError, converted, judge

FIRST = int(os.environ.get("FUZZ_SEED", "0"))
MUTANTS = int(os.environ.get("FUZZ_MUTANTS", "10000"))


@pytest.fixture(scope="module")
def wholes(tmp_path_factory) -> tuple[list[Whole], Path]:
    """All originals, converted, and the image that labels are brought onto."""
    folder = tmp_path_factory.mktemp("originals")
    reference, found = folder / "reference" / "made.nii", []
    for original in originals(folder):
        place = folder / "reference" if not found else folder / "converted"
        volume, _ = converted(original, place, reference)
        found.append(Whole(original, volume))
    return found, reference


def _run(first: int, count: int, wholes, tmp_path: Path, kept: Path) -> Counter:
    found, reference = wholes
    files = [one.original for one in found]
    ends, wrong = Counter(), []
    for seed in progress(range(first, first + count), "Mutants", total=count):
        one = mutant(files, seed)
        try:
            ends[judge(one, found[seed % len(files)], tmp_path, reference)] += 1
        except WrongOutcomeError as error:
            shutil.copytree(tmp_path / "source", kept / str(seed), dirs_exist_ok=True)
            wrong.append(f"seed {seed} ({one.original.name}, {one.how}): {error}")
    told = "\n".join(wrong[:20])
    assert not wrong, f"{len(wrong)} of {count} mutants, kept in {kept}:\n{told}"
    return ends


def test_originals_are_read_alike(wholes):
    found, _ = wholes
    assert len(found) == 29
    for label in (False, True):
        volumes = [one.volume for one in found if one.original.label == label]
        assert all(one.geometry.agrees_with(volumes[0].geometry) for one in volumes)


def test_some_mutants_are_converted_or_refused(wholes, tmp_path, request):
    ends = _run(FIRST, 300, wholes, tmp_path, request.config.cache.mkdir("mutants"))
    assert min(ends.values()) > 5
    assert set(ends) == {"converted", "noted", "refused"}


@pytest.mark.fuzz
def test_many_mutants_are_converted_or_refused(wholes, tmp_path, request):
    ends = _run(FIRST, MUTANTS, wholes, tmp_path, request.config.cache.mkdir("mutants"))
    print(f"\n{MUTANTS} mutants from seed {FIRST}: {dict(ends)}")
