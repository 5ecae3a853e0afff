"""Tables that git keeps, and the line that compares a run with them."""

from pathlib import Path

import pytest

from remodal.errors import UserError
from remodal.report.kept import compared, keep_tables
from remodal.results.files import read_json, write_json, write_text

NUMBERS = {
    "table1.maml.both.dice": 40.0,
    "table1.maml.both.dice.sd": 5.0,
    "table1.maml.both.dice.n": 6,
    "table1.maml.both.assd_voxel": None,
    "table1.maml.both.assd_voxel.n": 0,
}


def training(instructions: str, epochs: int = 12) -> dict:
    return {
        "epochs": epochs,
        "device": "a processor",
        "hardware": {"cpu": "a processor", "instruction_set": instructions, "threads": 1},
        "versions": {"torch": "2.0", "remodal": "1.0"},
        "code": {"commit": "abc"},
    }


@pytest.fixture
def study(tmp_path):
    def make(name="study", numbers=NUMBERS, instructions="AVX512"):
        folder = tmp_path / name
        write_json(folder / "tables" / "summary.json", numbers)
        write_text(folder / "tables" / "table1.csv", "a\n")
        write_text(folder / "tables" / "metrics.csv", "a row for each case\n")
        write_json(folder / "models/a/fold0-seed0/training.json", training(instructions, 0))
        write_json(folder / "models/b/fold0-seed0/training.json", training(instructions))
        return folder

    return make


@pytest.fixture
def kept(study, tmp_path):
    keep_tables(study("kept-study"), tmp_path / "kept")
    return tmp_path / "kept"


def test_tables_are_kept_with_what_made_them_and_without_the_cases(kept):
    names = {path.name for path in kept.iterdir()}
    assert names == {"summary.json", "table1.csv", "made-with.json"}
    made = read_json(kept / "made-with.json")
    assert (made["instruction_set"], made["threads"]) == ("AVX512", 1)


def test_equal_numbers_are_said_to_be_equal(study, kept):
    assert compared(study(), kept) == f"The tables equal those of {kept}: all 5 numbers."


def test_how_long_training_took_is_not_compared(study, tmp_path):
    keep_tables(study(numbers=NUMBERS | {"table1.maml.both.hours": 0.5}), tmp_path / "clocked")
    slower = study(numbers=NUMBERS | {"table1.maml.both.hours": 0.7})
    assert compared(slower, tmp_path / "clocked").endswith(
        "all 5 numbers, except how long training took."
    )


def test_what_differs_is_said_with_its_size_and_what_the_runs_were_unlike_in(study, kept):
    numbers = NUMBERS | {"table1.maml.both.dice": 41.5, "table1.maml.both.dice.sd": 4.0}
    assert compared(study(numbers=numbers, instructions="AVX2"), kept) == (
        f"2 of 5 numbers differ from {kept} (means by at most dice 1.5). "
        "The runs differ in: instruction set AVX2 here, AVX512 there."
    )


def test_a_difference_is_that_of_its_metric_however_the_column_is_averaged(study, tmp_path):
    columns = ("dice", "dice.fold_mean", "dice.minus-mixed", "hd95_mm.minus-mixed.fold_mean")
    keys = [f"table1.maml.both.{column}" for column in columns]
    numbers = dict.fromkeys(keys, 10.0) | {f"{key}.n": 6 for key in keys}
    keep_tables(study("kept-study", numbers), tmp_path / "kept")
    moved = numbers | {key: 10.0 + step for step, key in enumerate(keys)}
    said = compared(study(numbers=moved), tmp_path / "kept")
    assert "(means by at most dice 2, hd95_mm 3)" in said


def test_a_difference_between_like_runs_is_to_be_reported(study, kept):
    said = compared(study(numbers=NUMBERS | {"table1.maml.both.dice.n": 5}), kept)
    assert said.endswith("explains it: please report it.")


def test_where_nothing_is_kept_or_made_it_is_said(study, tmp_path):
    assert compared(study(), tmp_path / "none").startswith("No tables are kept in")
    with pytest.raises(UserError, match="holds no tables"):
        compared(tmp_path, tmp_path)


def test_the_page_on_the_trend_names_the_means_and_verdicts_that_are_kept_beside_it():
    folder = Path(__file__).parents[2] / "docs/results/liver-trend"
    page, kept = (folder / "README.md").read_text(), read_json(folder / "summary.json")
    rows = {
        "MAML": ("table1.maml.both", "table2.maml.arterial", "table2.maml.venous"),
        "nnUNet": ("table2.nnunet_arterial.arterial", "table2.nnunet_venous.venous"),
        "MS+MA": ("table1.ms_ma.both",),
        "MS+Ensemble": ("table1.ms_ensemble.both",),
    }
    for label, keys in rows.items():
        for key in keys:
            assert f"| {label} {kept[f'{key}.dice']:.1f} ±" in page
    verdicts = [claim["verdict"] for claim in read_json(folder / "claims.json")]
    assert [page.count(f"| {one} |") for one in set(verdicts)] == [len(verdicts)]
