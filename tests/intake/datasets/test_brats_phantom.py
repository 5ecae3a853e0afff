import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from remodal.errors import UserError
from remodal.intake.datasets import cases_of
from remodal.intake.datasets.brats_phantom import BratsPhantomOptions, patient, patient_of
from remodal.phantom.brain.brats_files import simulate_case

SEQUENCES = ["t1", "t1ce", "t2", "flair"]
OPTIONS = {"cases": 19, "matrix": 24, "slices": 16}


@pytest.fixture
def simulated(brats_study):
    """Makes a study of simulated patients, from options other than `OPTIONS`."""

    def make(**changes):
        settings = brats_study(None, SEQUENCES)
        data = settings.data.model_copy(update={"source": "brats_phantom", "simulated": True})
        options = {"brats_phantom": OPTIONS | changes}
        return settings.model_copy(update={"data": data, "simulation": options})

    return make


def test_the_shares_of_the_grades_are_those_of_2018(simulated):
    cases = cases_of(simulated(cases=285))
    assert Counter(case.group for case in cases) == {"HGG": 210, "LGG": 75}
    assert Counter(case.group for case in cases_of(simulated(cases=38))) == {"HGG": 28, "LGG": 10}


def test_names_are_those_of_a_folder_of_brats_in_alphabetical_order(simulated):
    cases = cases_of(simulated())
    names = [case.case for case in cases]
    assert names == sorted(names)
    assert len(set(names)) == 19
    options = BratsPhantomOptions(**OPTIONS)
    first = patient(options, 0)
    assert first.case == f"{first.grade}__Brats18_SIM_001_1"
    assert patient_of(options, first.case) == first


def test_a_patient_stays_the_same_when_others_are_added():
    few, many = (BratsPhantomOptions(**OPTIONS | {"cases": cases}) for cases in (5, 285))
    assert [patient(few, index) for index in range(5)] == [
        patient(many, index) for index in range(5)
    ]


def test_the_files_are_a_folder_of_brats_that_its_source_reads(
    tmp_path, monkeypatch, simulated, brats_study
):
    monkeypatch.chdir(tmp_path)
    settings = simulated(cases=3)
    expected = cases_of(settings)
    scans = Path("results/data") / settings.data_id / "scans"
    for case in expected:
        options = BratsPhantomOptions(**OPTIONS | {"cases": 3})
        simulate_case(options, case.case, scans / case.case, Path("unused"))
    read = cases_of(brats_study(scans, SEQUENCES))
    assert read == expected


def test_an_unknown_patient_is_a_clear_error():
    with pytest.raises(UserError, match="no simulated patient `HGG__Brats18_SIM_999_1`"):
        patient_of(BratsPhantomOptions(**OPTIONS), "HGG__Brats18_SIM_999_1")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"noise": (0.2, 0.1)}, "noise: the least, 0.2, is negative or above 0.1"),
        ({"grades": {"HGG": 0}}, "no patient has a tumour of any grade"),
        ({"diameter": (1, 50)}, "diameter must be at least 5"),
    ],
)
def test_wrong_options_are_told(changes, said, simulated):
    with pytest.raises(UserError, match=said):
        cases_of(simulated(**changes))


def test_the_snakefile_can_ask_for_the_cases_without_importing_numpy():
    program = (
        "import sys; import remodal.intake.datasets.brats, remodal.intake.datasets.brats_phantom;"
        "sys.exit(' '.join({'numpy', 'torch', 'SimpleITK', 'pydicom'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
