"""Numbers as a reader sees them."""

from dataclasses import replace
from math import isnan, nan

import pytest

from remodal.report.comparison import build_tables
from remodal.report.formats import to_markdown
from remodal.report.latex import latex, to_latex
from remodal.report.tables import study_cases
from remodal.report.wording import (
    count_texts,
    duration,
    gibibytes,
    metric_texts,
    millions,
    notes,
    number,
    p_value,
    retraining_text,
)


@pytest.mark.parametrize(
    ("value", "signed", "text"),
    [
        (3.14159, False, "3.14"),
        (-2.5, False, "−2.50"),
        (2.5, True, "+2.50"),
        (-0.001, True, "0.00"),
        (0.0, True, "0.00"),
        (nan, False, "–"),
        (None, False, "–"),
    ],
)
def test_numbers(value, signed, text):
    assert number(value, signed=signed) == text


def test_p_values():
    assert [p_value(p) for p in (0.0004, 0.001, 0.0461, 1.0, nan)] == [
        "< 0.001",
        "0.001",
        "0.046",
        "1.000",
        "–",
    ]


def test_latex_escapes_what_it_must():
    assert latex("a_b & 5 % < $x ± −1 – {y}") == (r"a\_b \& 5 \% $<$ \$x $\pm$ $-$1 -- \{y\}")


def test_time_memory_and_parameters():
    assert [duration(s) for s in (None, 4.23, 185, 3725)] == [
        "–",
        "4.2 s",
        "3 min 05 s",
        "1 h 02 min",
    ]
    assert gibibytes(3 * 2**30) == "3.00 GiB"
    assert millions(31_190_000) == "31.19 M"
    assert gibibytes(None) == millions(None) == "–"


@pytest.fixture
def table_of(tmp_path, make_settings, make_splits, write_cell, case_row):
    """Table 1 of MAML and nnUNet on three cases, for some folds and seeds."""

    def build(seeds=(0,), folds=1, **overrides):
        for fold in range(folds):
            for seed in seeds:
                for method, base in (("maml", 80.0), ("nnunet", 70.0)):
                    rows = [
                        case_row(f"f{fold}-{i}", dice=base + i + 2 * seed + 4 * fold)
                        for i in range(3)
                    ]
                    write_cell(tmp_path, method, "both", rows, fold=fold, seed=seed)
        scheme = {"scheme": "kfold", "folds": folds} if folds > 1 else {}
        settings = make_settings(seeds=list(seeds), splits=scheme, **overrides)
        return build_tables(settings, study_cases(settings, tmp_path), make_splits([]), tmp_path)[0]

    return build


def test_a_printed_bound_is_shown_as_one_without_a_difference(table_of):
    table = table_of(data={"simulated": False})
    _, entry = next((row, one) for row, one in table.entries if one.published)
    bound = replace(entry, published=replace(entry.published, mean=0.1, sd=None, below=True))
    assert metric_texts(table, bound, str)["published"] == "< 0.10"
    assert isnan(table.difference(bound))
    assert not isnan(table.difference(entry))


@pytest.mark.parametrize("simulated", [True, False])
def test_public_data_are_not_taken_for_simulated_ones(table_of, simulated):
    table = table_of(data={"simulated": simulated})
    row, entry = next((row, one) for row, one in table.entries if one.published)
    public = replace(entry, published=replace(entry.published, reproducibility="B"))
    said = " ".join(notes(replace(table, rows=(replace(row, entries=(public,)),))))
    assert "Class B: the paper's data are public" in said
    assert ("This run's are simulated." in said) == simulated


def test_every_copy_of_a_table_says_what_labels_of_test_cases_were_used_for(table_of):
    crop = {"preprocessing": {"crop": {"mask": {"label": [1]}}}}
    registered = {"scenarios": {"arterial_native": {"space": "registered"}}}
    table, said = table_of(**crop, **registered), "Labels of test cases were used to crop"
    assert notes(table)[0].startswith(f"{said} the images. A new patient has none")
    assert all(said in write(table) for write in (to_markdown, to_latex))
    assert not any(said in note for note in notes(table_of()))


def test_one_model_a_row_means_that_the_spread_over_seeds_is_unknown(table_of):
    assert any("spread over seeds is not known" in note for note in notes(table_of()))


def test_spreads_over_seeds_and_folds_are_told_apart(table_of):
    table = table_of(seeds=(0, 1), folds=2)
    text = " ".join(notes(table))
    assert "from seed to seed is 1.41 to 1.41 for Dice [%]" in text
    assert "from fold to fold is 2.83 to 2.83 for Dice [%]" in text
    maml = next(row for row in table.rows if row.name == "maml.both")
    assert retraining_text(maml.entries[0]) == "seeds ± 1.41, folds ± 2.83"


def test_too_few_trainings_are_said(table_of):
    assert any("about these trainings only" in note for note in notes(table_of()))
    assert not any("about these trainings only" in note for note in notes(table_of((0, 1, 2))))


def test_from_three_trainings_on_it_is_said_that_p_knows_of_patients_alone(table_of):
    said = "p allows for no other training"
    assert any(said in note for note in notes(table_of((0, 1, 2))))
    assert not any(said in note for note in notes(table_of()))


def test_too_few_pairs_are_said(table_of):
    assert any("fewer than 6 patients" in note for note in notes(table_of()))


def test_models_that_were_not_measured_are_counted(table_of, make_settings, make_splits, tmp_path):
    table_of(seeds=(0, 1))
    (tmp_path / "nnunet" / "fold0-seed1" / "both.csv").unlink()
    settings = make_settings(seeds=[0, 1])
    table = build_tables(settings, study_cases(settings, tmp_path), make_splits([]), tmp_path)[0]
    assert "Not all trained models have been measured: nnUNet (1 of 2)." in notes(table)


def test_counts_that_differ_between_metrics_are_given_one_each(table_of):
    maml = next(row for row in table_of().rows if row.name == "maml.both")
    assert count_texts(maml) == ["3 / 0 / 0", "0", "0 / 3 / 3"]
