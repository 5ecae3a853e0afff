"""A BIDS folder of T1/T2 pairs with mistakes in it, from its files to the split."""

import shutil
from pathlib import Path

import pytest
import SimpleITK as sitk

from remodal.intake.convert import convert_image, convert_label
from remodal.intake.datasets import CaseSource, cases_of
from remodal.intake.datasets.t1t2_phantom import Pair, T1T2PhantomOptions, pairs
from remodal.intake.inspection import BadSources, check_sources
from remodal.phantom.liver_mr.bids_files import simulate_case
from remodal.registration.case import register_case
from remodal.results.records import Record
from remodal.settings import Settings
from remodal.settings.composition import validated
from remodal.splits.study import split_study

#: The largest displacement that is allowed for.
OPTIONS = T1T2PhantomOptions(
    pairs=8, patients=7, matrix=(40, 40), slices=(12, 10), displacement=(10, 150)
)
FAR = OPTIONS.model_copy(update={"displacement": (150.0, 150.0)})
BOTH = ["t1", "t2"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """All pairs in one folder."""
    root = tmp_path_factory.mktemp("bids")
    for number, pair in enumerate(pairs(OPTIONS)):
        made = tmp_path_factory.mktemp("pair")
        simulate_case(FAR if number == 0 else OPTIONS, pair.name, made, Path("unused"))
        for part in (pair.subject, "derivatives"):
            shutil.copytree(made / part, root / part, dirs_exist_ok=True)
    return root


@pytest.fixture
def spoilt(folder, tmp_path) -> tuple[Path, dict[str, str]]:
    """A copy with mistakes, and which case has which."""
    copy = tmp_path / "bids"
    shutil.copytree(folder, copy)
    single = [pair for pair in pairs(OPTIONS) if pair.session == 1][1:]
    swapped, apart, bare = single[-3:]
    first, second = (image(copy, swapped, suffix) for suffix in ("T1w", "T2w"))
    swap(first, second)
    swap(*(label(copy, swapped, suffix) for suffix in ("T1w", "T2w")))
    for file in (image(copy, apart, "T1w"), label(copy, apart, "T1w")):
        far = sitk.ReadImage(str(file))
        far.SetOrigin([place + 1000 for place in far.GetOrigin()])
        sitk.WriteImage(far, str(file))
    label(copy, bare, "T1w").unlink()
    named = {"swapped": swapped.name, "apart": apart.name, "bare": bare.name}
    return copy, named


def image(root: Path, pair: Pair, suffix: str) -> Path:
    return root / pair.subject / f"ses-{pair.session}/anat/{pair.name}_{suffix}.nii.gz"


def label(root: Path, pair: Pair, suffix: str) -> Path:
    anat = root / "derivatives/manual" / pair.subject / f"ses-{pair.session}/anat"
    return anat / f"{pair.name}_space-{suffix}_dseg.nii.gz"


def swap(first: Path, second: Path) -> None:
    aside = first.with_name("aside")
    first.rename(aside)
    second.rename(first)
    aside.rename(second)


def study(folder: Path) -> Settings:
    content = {
        **{"study": "pairs", "preset": "paper", "title": "Pairs"},
        "data": {
            **{"name": "pairs", "source": "bids", "folder": folder, "truth": "image"},
            **{"modalities": BOTH, "classes": {"liver": [1, 2]}},
        },
        "registration": {"method": "header", "fixed": "t2", "body_threshold": None, "outside": 0},
        "splits": {"test_fraction": 0.4, "validation_fraction": 0, "stratify": False},
        "methods": {"one": {"type": "nnunet", "modalities": ["t2"]}},
        "scenarios": {"t2": {"present": ["t2"], "target": "t2"}},
    }
    return validated(content, "test")


def registered(settings: Settings, case: CaseSource, folder: Path) -> Record:
    """The record of a case that goes through intake and registration."""
    converted = folder / "converted" / case.case
    for name, path in case.images.items():
        files = converted / f"{name}.nii.gz", converted / f"{name}.json"
        convert_image(path, *files, case=case.case, modality=name, quarantine=True)
    for name, source in case.labels.items():
        reference = converted / f"{name}.json", converted / f"{name}.nii.gz"
        made = converted / f"label-{name}.nii.gz", converted / f"label-{name}.json"
        told = {"case": case.case, "drawn_on": name, "quarantine": True}
        convert_label(source, *reference, *made, **told)
    output = folder / "registered" / case.case
    names = list(case.images), list(case.labels)
    return register_case(settings, case.case, converted, output, *names, quarantine=True)


def test_mistakes_in_a_folder_of_pairs_are_told_case_by_case(spoilt, tmp_path, capsys):
    root, named = spoilt
    settings = study(root)
    cases = {case.case: case for case in cases_of(settings)}
    assert list(cases) == [pair.name for pair in pairs(OPTIONS)]
    records = {name: registered(settings, case, tmp_path) for name, case in cases.items()}

    (bad,) = (record for record in records.values() if not record.ok)
    assert bad.case == named["apart"]
    assert "the images do not overlap" in bad.reason
    assert "\n" not in bad.reason
    # The first lies 15 cm from its other image, which is allowed.
    far = records[pairs(OPTIONS)[0].name]
    assert far.details["label-t1"]["displacement_mm"] > 100

    from remodal.splits import read_splits

    split_study(settings, tmp_path / "registered", tmp_path / "splits.json")
    splits = read_splits(tmp_path / "splits.json")
    assert list(splits["doubts"]) == [named["swapped"]]
    assert "t1 and t2 may be swapped" in capsys.readouterr().err
    assert splits["quarantined"] == {named["apart"]: bad.reason}
    assert splits["labels"][named["bare"]] == ["t2"]
    used = {case for fold in splits["folds"] for part in fold.values() for case in part}
    assert used == set(cases) - {named["apart"]}
    # Several pairs of a patient are on one side.
    for fold in splits["folds"]:
        patients = [{splits["patients"][case] for case in fold[part]} for part in fold]
        assert sum(map(len, patients)) == len(set.union(*patients))


def test_a_check_opens_every_file_and_names_those_that_cannot_be_used(spoilt):
    root, named = spoilt
    settings = study(root)
    lines = list(check_sources(settings))
    assert lines[-1] == "31 images and labels: ok"
    pair = next(pair for pair in pairs(OPTIONS) if pair.name == named["bare"])
    image(root, pair, "T2w").unlink()
    with pytest.raises(BadSources, match=f"{named['bare']}, t2: there is no such file or folder"):
        list(check_sources(settings))
