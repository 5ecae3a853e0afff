import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from remodal.errors import UserError
from remodal.intake.datasets import CaseSource
from remodal.intake.label_source import LabelSource
from remodal.results.records import Record, quarantine, write_record
from remodal.settings import Settings, SplitSettings
from remodal.settings.composition import compose
from remodal.splits import (
    SETS,
    SplitCase,
    converted_files,
    make_splits,
    read_fold,
    read_splits,
    study,
)
from remodal.splits.study import split_study

CONFIG = Path(__file__).parents[2] / "config"


@st.composite
def cohorts(draw: st.DrawFn, least: int = 2) -> list[SplitCase]:
    """Cases of patients with one to three examinations, each patient of one group."""
    patients = draw(st.integers(least, 60))
    groups = draw(
        st.lists(st.sampled_from(["", "HCC", "cyst"]), min_size=patients, max_size=patients)
    )
    counts = draw(st.lists(st.integers(1, 3), min_size=patients, max_size=patients))
    return [
        SplitCase(f"case{patient}-{visit}", f"patient{patient}", groups[patient])
        for patient in range(patients)
        for visit in range(counts[patient])
    ]


settings_of = st.builds(
    SplitSettings,
    scheme=st.sampled_from(["holdout", "kfold"]),
    test_fraction=st.floats(0.05, 0.95),
    validation_fraction=st.sampled_from([0.0, 0.1, 0.5]),
    folds=st.integers(2, 6),
    stratify=st.booleans(),
    seed=st.integers(0, 99),
)


def patients_of(fold: dict, part: str, cases: list[SplitCase]) -> set[str]:
    home = {case.case: case.patient for case in cases}
    return {home[case] for case in fold[part]}


@given(cohorts(least=6), settings_of)
def test_no_patient_is_in_two_sets_and_no_case_is_lost(cases, settings) -> None:
    for fold in make_splits(cases, settings)["folds"]:
        sets = [patients_of(fold, part, cases) for part in SETS]
        assert sum(map(len, sets)) == len(set.union(*sets))
        assert sorted(fold["train"] + fold["validation"] + fold["test"]) == sorted(
            case.case for case in cases
        )
        assert fold["train"]
        assert fold["test"]


@given(cohorts(least=6), settings_of)
def test_the_order_of_the_cases_does_not_matter(cases, settings) -> None:
    assert make_splits(cases, settings) == make_splits(cases[::-1], settings)


@given(cohorts(least=6), settings_of)
def test_kfold_tests_every_patient_once_in_folds_of_equal_size(cases, settings) -> None:
    settings = settings.model_copy(update={"scheme": "kfold"})
    folds = make_splits(cases, settings)["folds"]
    tested = Counter(p for fold in folds for p in patients_of(fold, "test", cases))
    assert tested == Counter({case.patient for case in cases})
    sizes = [len(patients_of(fold, "test", cases)) for fold in folds]
    assert len(sizes) == settings.folds
    assert max(sizes) - min(sizes) <= 1


@given(cohorts(least=6), settings_of)
def test_sets_have_their_size_and_groups_their_share(cases, settings) -> None:
    group = {case.patient: case.group for case in cases}
    k_fold = settings.scheme == "kfold"
    fraction = 1 / settings.folds if k_fold else settings.test_fraction
    for fold in make_splits(cases, settings)["folds"]:
        test = patients_of(fold, "test", cases)
        validation = patients_of(fold, "validation", cases)
        training = validation | patients_of(fold, "train", cases)
        assert abs(len(test) - fraction * len(group)) < 1
        assert abs(len(validation) - settings.validation_fraction * len(training)) <= 1
        if settings.stratify:
            assert_shares(test, group, fraction if k_fold else len(test) / len(group))
            inner = {patient: group[patient] for patient in training}
            assert_shares(validation, inner, len(validation) / len(training))


def assert_shares(drawn: set[str], group: dict[str, str], fraction: float) -> None:
    in_drawn = Counter(group[patient] for patient in drawn)
    for name, count in Counter(group.values()).items():
        assert abs(in_drawn[name] - fraction * count) < 1


@pytest.mark.parametrize("groups", [("cyst", "HCC"), ("HCC", "cyst")])
def test_the_group_with_the_largest_remainder_is_rounded_up(groups):
    """Of 3 and 7 patients 40 % are 1.2 and 2.8: one and three."""
    few, many = groups
    cases = [SplitCase(f"c{n}", f"p{n}", few if n < 3 else many) for n in range(10)]
    for seed in range(5):
        settings = SplitSettings(test_fraction=0.4, validation_fraction=0, stratify=True, seed=seed)
        [fold] = make_splits(cases, settings)["folds"]
        assert sorted(int(case[1:]) < 3 for case in fold["test"]) == [False] * 3 + [True]


@pytest.mark.parametrize(("patients", "tested"), [(11, 2), (12, 2), (13, 3), (14, 3), (15, 3)])
def test_a_share_is_rounded_to_the_nearest_number_of_patients(patients, tested):
    cases = [SplitCase(f"{n:03d}", f"p{n:03d}") for n in range(patients)]
    [fold] = make_splits(cases, SplitSettings(test_fraction=0.2, validation_fraction=0))["folds"]
    assert (len(fold["test"]), len(fold["train"])) == (tested, patients - tested)


def test_the_papers_patients_give_65_for_test_and_262_for_training() -> None:
    cases = [SplitCase(f"{n:03d}", f"p{n:03d}") for n in range(327)]
    (fold,) = make_splits(cases, SplitSettings(validation_fraction=0))["folds"]
    assert {part: len(fold[part]) for part in SETS} == {"train": 262, "validation": 0, "test": 65}


def test_too_few_patients_are_told_with_the_commonest_reasons() -> None:
    quarantined = {f"c{n}": f"c{n}, venous: there is no such image" for n in range(7)}
    quarantined |= {f"d{n}": f"d{n}: the label is empty" for n in range(2)}
    with pytest.raises(UserError) as told:
        make_splits([], SplitSettings(), quarantined)
    said = str(told.value)
    assert "too few usable patients: 0" in said
    assert "9 quarantined" in said
    assert "7 x there is no such image; 2 x the label is empty" in said
    assert "registration.json" in said
    assert "\n" not in said


def test_another_seed_gives_another_split() -> None:
    cases = [SplitCase(f"{n}", f"p{n}") for n in range(40)]
    folds = [make_splits(cases, SplitSettings(seed=seed))["folds"] for seed in (1, 2)]
    assert folds[0] != folds[1]


@pytest.mark.parametrize(
    ("patients", "settings"),
    [(1, SplitSettings()), (0, SplitSettings()), (4, SplitSettings(scheme="kfold", folds=5))],
)
def test_too_few_patients_is_an_error(patients: int, settings: SplitSettings) -> None:
    with pytest.raises(UserError, match="too few usable patients"):
        make_splits([SplitCase(f"{n}", f"p{n}") for n in range(patients)], settings)


COHORT = [SplitCase(case, case[0]) for case in ("a1", "a2", "b", "c", "d")]


def imported(folder: Path, content: object, folds: int = 1, **more) -> dict:
    file = folder / "shared.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return make_splits(COHORT, SplitSettings(scheme="file", file=file, folds=folds), **more)


def test_an_imported_list_keeps_its_order_of_which_a_recipe_may_take_the_first(tmp_path: Path):
    fold = {"train": ["d", "a2", "a1"], "validation": [], "test": ["c", "b"]}
    assert imported(tmp_path, [fold])["folds"] == [fold]


def test_a_shared_file_is_imported_without_quarantined_cases(tmp_path: Path) -> None:
    folds = [{"train": ["b", "a2", "a1", "x"], "test": ["c"]}]
    splits = imported(tmp_path, folds, quarantined={"x": "one slice"})
    assert splits["folds"] == [{"train": ["b", "a2", "a1"], "validation": [], "test": ["c"]}]
    assert splits["quarantined"]["x"] == "one slice"
    assert "in no fold" in splits["quarantined"]["d"]


def test_a_written_split_imports_as_itself(tmp_path: Path) -> None:
    made = make_splits(COHORT, SplitSettings(scheme="kfold", folds=2))
    again = imported(tmp_path, made, folds=2)
    assert again["folds"] == made["folds"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not valid JSON"),
        ({"folds": []}, "holds no folds"),
        ([{"train": ["a1"]}], "not understood"),
        ([{"train": "a1", "test": ["b"]}], "not understood"),
        ([{"train": ["a1", "y"], "test": ["b"]}], "unknown cases in `train`: y"),
        ([{"train": ["a1", "c"], "test": ["b", "a2"]}], "leakage"),
        ([{"train": ["c"], "validation": ["a1"], "test": ["a2"]}], "leakage"),
        ([{"train": ["c"], "test": []}], "`test` has no usable case"),
        ([{"train": ["c", "c"], "test": ["b"]}], "twice"),
        ([{"train": ["c"], "test": ["b"]}] * 2, "set splits.folds to 2"),
    ],
)
def test_a_wrong_split_file_is_an_error(tmp_path: Path, content: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        imported(tmp_path, content)


def test_a_published_split_may_separate_a_patient_if_it_says_so(tmp_path: Path) -> None:
    folds = [{"train": ["a1", "c"], "validation": [], "test": ["b", "a2"]}]
    splits = imported(tmp_path, {"separates": ["a", "b"], "folds": folds})
    assert splits["folds"] == folds
    assert splits["separates"] == ["a"]
    assert imported(tmp_path, splits)["separates"] == ["a"]
    with pytest.raises(UserError, match="name the patient under `separates`"):
        imported(tmp_path, {"separates": ["b"], "folds": folds})


def test_a_missing_split_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        make_splits(COHORT, SplitSettings(scheme="file", file=tmp_path / "none.json", folds=1))


PHASES = ("arterial", "venous")


def liver_settings(**splits) -> Settings:
    return compose({"study": "liver", "preset": "smoke", "splits": splits}, CONFIG)


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Path]:
    """Writes records of the cohort, `b` quarantined, some without a phase or label; its folder."""

    def write(unlabelled: tuple[str, ...] = (), **modalities: tuple[str, ...]) -> Path:
        sources = [
            CaseSource(
                case.case,
                case.patient,
                case.group,
                {name: Path("scan") for name in modalities.get(case.case, PHASES)},
                {} if case.case in unlabelled else {"venous": LabelSource((Path("mask"),))},
            )
            for case in COHORT
        ]
        monkeypatch.setattr(study, "cases_of", lambda settings: sources)
        for source in sources:
            path = tmp_path / source.case / "registration.json"
            if source.case == "b":
                reason = "series of 1 slice"
                quarantine(path, Record(case="b", stage="convert", reason=reason))
            else:
                details = {"labels": list(source.labels)}
                write_record(path, Record(case=source.case, stage="register", details=details))
        return tmp_path

    return write


def split(folder: Path, **settings) -> dict:
    split_study(liver_settings(**settings), folder, folder / "splits.json")
    return read_splits(folder / "splits.json")


def test_quarantined_cases_are_left_out_and_listed_with_their_reason(registered) -> None:
    folder = registered()
    splits = split(folder)
    assert splits["quarantined"] == {"b": "series of 1 slice"}
    fold = read_fold(folder / "splits.json", 0)
    assert sorted(case for part in SETS for case in fold[part]) == ["a1", "a2", "c", "d"]
    assert splits["patients"] == {"a1": "a", "a2": "a", "c": "c", "d": "d"}


def test_a_set_without_a_group_is_said_in_one_line(registered, monkeypatch, capsys) -> None:
    monkeypatch.setattr("remodal.splits.study.missing_groups", lambda splits: ["Fold 0: no cyst."])
    split(registered())
    assert capsys.readouterr().err == "remodal: Fold 0: no cyst.\n"


def test_the_file_says_which_modalities_each_case_has(registered) -> None:
    splits = split(registered(a1=("venous",), b=("arterial",)), validation_fraction=0)
    complete = {case: [*PHASES] for case in ("a2", "c", "d")}
    assert splits["modalities"] == complete | {"a1": ["venous"], "b": ["arterial"]}
    assert "a1" in splits["folds"][0]["train"] + splits["folds"][0]["test"]


def test_the_file_says_on_which_images_labels_were_drawn(registered) -> None:
    splits = split(registered(), validation_fraction=0)
    assert splits["labels"] == {case: ["venous"] for case in splits["modalities"]}
    assert converted_files(splits)["c"] == ["arterial", "venous", "label-venous"]


def test_an_unlabelled_case_is_left_out_and_listed_with_the_reason(registered) -> None:
    splits = split(registered(unlabelled=("c",)), validation_fraction=0)
    assert splits["quarantined"].keys() == {"b", "c"}
    assert splits["quarantined"]["c"].startswith("c: the label is missing; expected a label on")
    assert splits["labels"]["c"] == []
    assert "c" not in splits["folds"][0]["train"] + splits["folds"][0]["test"]


def test_a_case_that_was_not_registered_is_an_error(registered) -> None:
    folder = registered()
    (folder / "c" / "registration.json").unlink()
    with pytest.raises(UserError, match="run `remodal register` first"):
        split(folder)


def test_a_fold_that_does_not_exist_is_an_error(registered) -> None:
    folder = registered()
    split(folder)
    with pytest.raises(UserError, match="has no fold 1"):
        read_fold(folder / "splits.json", 1)


def test_a_file_without_the_cases_modalities_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "splits.json").write_text(json.dumps({"folds": [], "patients": {}}))
    with pytest.raises(UserError, match="run `remodal split` again"):
        read_splits(tmp_path / "splits.json")


def test_a_split_that_leaves_a_method_without_a_case_is_refused(registered) -> None:
    """Two of four cases are complete, and both are of the one patient who is tested."""
    folder = registered(c=("venous",), d=("venous",))
    file = folder / "shared.json"
    file.write_text(json.dumps([{"train": ["c", "d"], "test": ["a1", "a2"]}]))
    said = "no labelled case of the training set of fold 0 has arterial and venous images.*`nnunet`"
    with pytest.raises(UserError, match=said):
        split(folder, scheme="file", file=str(file), folds=1)
    file.write_text(json.dumps([{"train": ["a1", "a2"], "test": ["c", "d"]}]))
    said = "no labelled case of the test set has arterial and venous images.*scenario `both`"
    with pytest.raises(UserError, match=said):
        split(folder, scheme="file", file=str(file), folds=1)
    assert not (folder / "splits.json").exists()


@st.composite
def incomplete_cohorts(draw: st.DrawFn) -> list[SplitCase]:
    """Single cases of patients, two or more complete, the others with one phase."""
    counts = [draw(st.integers(2, 20)), draw(st.integers(0, 20)), draw(st.integers(0, 20))]
    patterns = (PHASES, ("arterial",), ("venous",))
    phases = [pattern for pattern, count in zip(patterns, counts) for _ in range(count)]
    groups = st.sampled_from(["HCC", "cyst"])
    return [SplitCase(f"c{n}", f"p{n}", draw(groups), pattern) for n, pattern in enumerate(phases)]


@given(incomplete_cohorts(), st.integers(2, 6), st.integers(0, 9))
def test_kfold_trains_on_a_complete_case_in_every_fold(cases, folds, seed) -> None:
    assume(len(cases) >= folds)
    settings = SplitSettings(scheme="kfold", folds=folds, seed=seed, validation_fraction=0)
    complete = {case.case for case in cases if case.present == PHASES}
    for fold in make_splits(cases, settings)["folds"]:
        assert complete & set(fold["train"])
        tested = len(complete & set(fold["test"]))
        assert abs(tested - len(complete) / folds) < 1


def test_complete_cases_are_split_as_if_there_were_no_modalities_to_lack() -> None:
    """What strata are made of does not affect the order, even if groups' names begin alike."""
    names = ["A", "AB", "A B", "", "\u00e9"]
    plain = [SplitCase(f"c{n}", f"p{n // 2}", names[n * 7 % 5]) for n in range(40)]
    complete = [case._replace(present=PHASES) for case in plain]
    for scheme in ("holdout", "kfold"):
        settings = SplitSettings(scheme=scheme)
        assert make_splits(complete, settings)["folds"] == make_splits(plain, settings)["folds"]


@pytest.mark.parametrize("seed", range(6))
def test_where_each_image_has_its_label_all_sets_have_cases_with_both(monkeypatch, tmp_path, seed):
    images = {name: Path("scan") for name in PHASES}
    sources = []
    for number in range(8):
        drawn = PHASES if number < 2 else PHASES[1:]
        labels = {name: LabelSource((Path("mask"),)) for name in drawn}
        sources.append(CaseSource(f"c{number}", f"p{number}", "", images, labels))
        record = Record(case=f"c{number}", stage="register", details={"labels": [*drawn]})
        write_record(tmp_path / f"c{number}" / "registration.json", record)
    monkeypatch.setattr(study, "cases_of", lambda settings: sources)
    change = {
        "data": {"truth": "image"},
        "scenarios": {"both": {"present": [*PHASES], "target": "venous"}},
        "splits": {"test_fraction": 0.5, "validation_fraction": 0, "seed": seed},
    }
    settings = compose({"study": "liver", "preset": "smoke"} | change, CONFIG)
    split_study(settings, tmp_path, tmp_path / "splits.json")
    test = read_fold(tmp_path / "splits.json", 0)["test"]
    assert (len(test), len({"c0", "c1"} & set(test))) == (4, 1)
