"""The simulated T1/T2 pairs of a study: which there are, and whose."""

from collections import Counter
from pathlib import Path

import pytest
from pydantic import ValidationError

from remodal.errors import UserError
from remodal.intake.datasets import cases_of
from remodal.intake.datasets.t1t2_phantom import T1T2PhantomOptions, pair_of, pairs
from remodal.settings import Settings
from remodal.settings.composition import validated

OPTIONS = {"pairs": 9, "patients": 5, "matrix": [64, 48], "slices": [24, 12]}


def study(options: dict, **data) -> Settings:
    modalities = data.get("modalities", ["t1", "t2"])
    content = {
        **{"study": "pairs", "preset": "paper", "title": "Pairs"},
        "data": {
            **{"name": "pairs", "source": "t1t2_phantom", "simulated": True, "truth": "image"},
            **{"modalities": modalities, "classes": {"liver": [1, 2]}},
        }
        | data,
        "simulation": {"t1t2_phantom": options},
        "registration": {"method": "header", "fixed": modalities[-1]},
        "methods": {"one": {"type": "nnunet"}},
        "scenarios": {"both": {"present": modalities, "target": modalities[-1]}},
    }
    return validated(content, "test")


def test_every_pair_is_a_case_of_its_patient_with_a_label_of_each_image():
    cases = cases_of(study(OPTIONS))
    assert len(cases) == 9
    assert len({case.patient for case in cases}) == 5
    for case in cases:
        assert case.case.startswith(f"{case.patient}_ses-")
        assert list(case.images) == list(case.labels) == ["t1", "t2"]
        root = Path("results/data/pairs-paper/scans", case.case)
        assert all(root in path.parents for path in case.paths)
    groups = {case.patient: case.group for case in cases}
    assert all(groups[case.patient] == case.group for case in cases)
    assert len(set(groups.values())) == 5  # five types of lesions among five patients


def test_the_paper_s_numbers_give_some_patients_several_pairs():
    options = T1T2PhantomOptions.model_validate(OPTIONS | {"pairs": 88, "patients": 51})
    counts = Counter(pair.patient for pair in pairs(options))
    assert len(counts) == 51
    assert counts.total() == 88
    assert min(counts.values()) == 1
    assert max(counts.values()) > 2


def test_further_pairs_leave_the_others_as_they_are():
    fewer, more = (
        T1T2PhantomOptions.model_validate(OPTIONS | {"pairs": number}) for number in (9, 14)
    )
    assert set(pairs(fewer)) < set(pairs(more))


def test_a_study_of_one_of_the_images_has_no_other():
    (case, *_) = cases_of(study(OPTIONS, modalities=["t2"]))
    assert list(case.images) == list(case.labels) == ["t2"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"pairs": 4}, "5 cannot share 4 pairs"),
        ({"displacement": [30, 10]}, "displacement: the least, 30"),
        ({"matrix": [64, 16]}, "at least 32"),
        ({"lesions": [0, 2]}, "lesions, .* above 0"),
        ({"lesion_types": {"cyst": 0}}, "no patient has a lesion"),
    ],
)
def test_options_that_make_no_sense_are_told(wrong, said):
    with pytest.raises(ValidationError, match=said):
        T1T2PhantomOptions.model_validate(OPTIONS | wrong)


def test_unknown_pairs_and_images_are_told():
    options = T1T2PhantomOptions.model_validate(OPTIONS)
    with pytest.raises(
        UserError, match="no simulated pair `sub-009_ses-1`; expected sub-001_ses-1"
    ):
        pair_of(options, "sub-009_ses-1")
    with pytest.raises(UserError, match="`flair` is no image of the simulated pairs"):
        cases_of(study(OPTIONS, modalities=["flair"]))
