import subprocess
import sys
from pathlib import Path

import pytest

from remodal.errors import UserError
from remodal.intake.datasets import cases_of
from remodal.intake.datasets.pancreas_ct import case_source
from remodal.intake.datasets.pancreas_phantom import PancreasPhantomOptions, case_name, number_of
from remodal.intake.pancreas_ct import find_cases
from remodal.phantom.pancreas.tcia_files import simulate_case

OPTIONS = {"cases": 2, "matrix": 40, "slices": (20, 22), "slice_spacing": 12}


@pytest.fixture
def simulated(pancreas_study):
    """Makes a study of simulated patients, from options other than `OPTIONS`."""

    def make(**changes):
        data = {"source": "pancreas_phantom", "simulated": True}
        return pancreas_study(data, simulation={"pancreas_phantom": OPTIONS | changes})

    return make


def test_names_are_those_of_pancreas_ct(simulated):
    cases = cases_of(simulated(cases=82))
    assert [case.case for case in cases] == [f"PANCREAS_{number:04d}" for number in range(1, 83)]
    assert len({case.patient for case in cases}) == 82
    assert number_of(case_name(70), PancreasPhantomOptions(**OPTIONS | {"cases": 82})) == 70


def test_the_files_are_a_folder_of_pancreas_ct_that_its_source_reads(
    tmp_path, monkeypatch, simulated
):
    monkeypatch.chdir(tmp_path)
    settings = simulated()
    expected = cases_of(settings)
    for case in expected:
        output = Path("results/data") / settings.data_id / "scans" / case.case
        simulate_case(PancreasPhantomOptions(**OPTIONS), case.case, output, Path("unused"))
        (found,) = find_cases(output)
        assert case_source(found) == case


def test_an_unknown_patient_is_a_clear_error():
    with pytest.raises(UserError, match="no simulated patient `PANCREAS_0003`"):
        number_of("PANCREAS_0003", PancreasPhantomOptions(**OPTIONS))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"noise": (20, 10)}, "noise: the least, 20.0, is negative or above 10.0"),
        ({"volume": (5, 50)}, "volume at least 10"),
    ],
)
def test_wrong_options_are_told(changes, said, simulated):
    with pytest.raises(UserError, match=said):
        cases_of(simulated(**changes))


def test_the_snakefile_can_ask_for_the_cases_without_importing_numpy():
    program = (
        "import sys; import remodal.intake.datasets.pancreas_phantom;"
        "sys.exit(' '.join({'numpy', 'torch', 'SimpleITK', 'pydicom'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
