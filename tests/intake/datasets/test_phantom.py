import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from remodal.errors import UserError
from remodal.intake.datasets import cases_of
from remodal.intake.datasets.phantom import (
    LAYOUTS,
    LESION_TYPES,
    PhantomOptions,
    case_name,
    index_of,
    layout_of,
    lesion_type,
)
from remodal.intake.label_source import LabelSource
from remodal.intake.simulation import simulation_options
from remodal.settings.composition import compose

CONFIG = Path(__file__).parents[3] / "config"


def _study(**changes):
    return compose({"study": "liver", "preset": "paper", **changes}, CONFIG)


def _options(**changes):
    return simulation_options(_study(simulation={"phantom": changes}))


def test_every_patient_is_a_case_with_both_phases_and_an_annotation_of_the_venous_one():
    cases = cases_of(_study())
    assert len(cases) == 327
    assert len({case.patient for case in cases}) == 327
    first = cases[0]
    root = Path("results/data/phantom-paper/scans/patient001")
    assert first.case == first.patient == "patient001"
    assert first.images == {"arterial": root / "arterial", "venous": root / "venous"}
    assert first.labels == {"venous": LabelSource((root / "label.dcm",))}


def test_six_successive_patients_are_stored_in_six_ways():
    settings = _options()
    for first in range(0, 30, 6):
        layouts = [layout_of(settings, first + place) for place in range(6)]
        assert all(layout in layouts for layout in LAYOUTS.values())
    chosen = settings.model_copy(update={"layouts": ["axial"]})
    assert {layout_of(chosen, index) == LAYOUTS["axial"] for index in range(9)} == {True}


def test_files_and_folders_are_named_by_their_layout():
    cases = cases_of(_study())
    settings = _options()
    names = {}
    for index, case in enumerate(cases[:6]):
        names[layout_of(settings, index)] = tuple(path.name for path in case.paths)
    assert names[LAYOUTS["coronal"]] == ("arterial", "venous", "label.dcm")
    assert names[LAYOUTS["nifti"]] == ("arterial.nii.gz", "venous.nii.gz", "label.nii.gz")
    assert names[LAYOUTS["mixed"]] == ("arterial.nii.gz", "venous", "label.dcm")


def test_lesion_types_have_their_shares_and_no_fixed_order():
    cases = cases_of(_study())
    for first in range(0, 320, 10):
        groups = Counter(case.group for case in cases[first : first + 10])
        assert groups == {"HCC": 4, "metastasis": 5, "haemangioma": 1}
    assert len({tuple(case.group for case in cases[i : i + 10]) for i in range(0, 320, 10)}) > 10


def test_every_lesion_type_is_as_frequent_as_the_others_unless_a_study_says_otherwise():
    options = PhantomOptions(cases=10, matrix=64, slices=(20, 20), slice_spacing=9.0)
    types = [lesion_type(options, index) for index in range(10)]
    assert Counter(types) == dict.fromkeys(LESION_TYPES, 2)


def test_a_data_set_without_any_lesion_type_is_refused():
    none = {"simulation": {"phantom": {"lesion_types": dict.fromkeys(LESION_TYPES, 0)}}}
    with pytest.raises(UserError, match="no patient has a lesion of any type"):
        cases_of(_study(**none))


def test_the_type_of_a_patient_does_not_change_with_the_number_of_patients():
    few = _options(cases=12)
    many = _options()
    assert [lesion_type(few, i) for i in range(12)] == [lesion_type(many, i) for i in range(12)]
    other = _options(seed=1)
    assert [lesion_type(other, i) for i in range(50)] != [lesion_type(many, i) for i in range(50)]


def test_names_and_numbers_are_inverse():
    settings = _options()
    for index in range(settings.cases):
        assert index_of(case_name(index), settings) == index


@pytest.mark.parametrize("case", ["patient000", "patient328", "patient1", "patient-1", "x", ""])
def test_a_name_of_no_patient_is_refused(case):
    with pytest.raises(UserError, match="patient001 to patient327"):
        index_of(case, _options())


def test_a_modality_that_is_not_simulated_is_refused():
    settings = _study()
    data = settings.data.model_copy(update={"modalities": ["arterial", "delayed"]})
    with pytest.raises(UserError, match="`delayed` is not simulated"):
        cases_of(settings.model_copy(update={"data": data}))


def test_the_cases_are_listed_without_heavy_imports():
    program = (
        "import sys; import remodal.intake.datasets.phantom, remodal.intake.datasets.real_ct;"
        "sys.exit(' '.join({'numpy', 'torch', 'SimpleITK', 'pydicom'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
