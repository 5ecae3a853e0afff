"""Tables of other papers' shapes, on toy numbers: subsets of modalities, regions, groups, records.

Every expected number is computed by hand.
"""

import csv
import io
from itertools import combinations

import pandas as pd
import pytest
from pydantic import ValidationError
from tests.metrics.test_claims import measured as measured_methods

from remodal.errors import UserError
from remodal.metrics.averages import with_averages
from remodal.metrics.claims import evaluate_claims
from remodal.report import comparison
from remodal.report.comparison import build_tables
from remodal.report.formats import to_csv, to_markdown
from remodal.report.latex import to_latex
from remodal.report.paper_notes import printed_numbers
from remodal.report.published import COLUMNS, read_published
from remodal.report.tables import row_numbers, study_cases, summary_numbers
from remodal.report.wording import compared_texts, metric_texts, notes, ours_text
from remodal.results.files import write_json
from remodal.settings import ClaimSettings, Settings

MODALITIES = ("t1", "t2", "flair")
SUBSETS = {
    "_".join(names): list(names) for count in (1, 2, 3) for names in combinations(MODALITIES, count)
}
REGIONS = {
    "whole": ["edema", "necrosis", "enhancing"],
    "core": ["necrosis", "enhancing"],
    "enhancing": ["enhancing"],
}
SINGLE = {"single": ["t1", "t2"]}
CASES = ("a", "b", "c", "d")
GROUPS = {"a": "cyst", "b": "cyst", "c": "cyst", "d": "focal nodular"}


@pytest.fixture
def study(tmp_path, settings, make_splits, write_cell, case_row):
    """A toy study on disk: `build(table, measured)` gives its one table.

    `measured` maps (method, scenario, fold, seed) to {(case, region): Dice}.
    """

    def build(table, measured, models=None, options=None, **changes):
        for (method, scenario, fold, seed), dice in measured.items():
            rows = [
                case_row(case, dice=value, region=region, group=GROUPS[case])
                for (case, region), value in dice.items()
            ]
            write_cell(tmp_path / "metrics", method, scenario, rows, fold=fold, seed=seed)
        for (method, fold), details in (models or {}).items():
            folder = tmp_path / "models" / method / f"fold{fold}-seed0"
            write_json(folder / "training.json", details)
        chosen = toy_settings(settings, table, options or {}, **changes)
        splits = make_splits([])
        cases = with_averages(study_cases(chosen, tmp_path / "metrics"), chosen.averages)
        (built,) = build_tables(chosen, cases, splits, tmp_path)
        return built

    return build


def toy_settings(
    settings, table, options, folds=1, seeds=(0,), regions=REGIONS, averages=None, noise=None
) -> Settings:
    """Two methods, `fusion` and `ours`, on three modalities in every subset of them."""
    content = settings.model_dump()
    content["data"] |= {
        "simulated": False,
        "modalities": list(MODALITIES),
        "classes": {"edema": [1], "necrosis": [2], "enhancing": [4]},
        "regions": regions,
    }
    content |= {
        "published": "",
        "compute": {},
        "seeds": list(seeds),
        "registration": content["registration"] | {"fixed": "t1"},
        "scenarios": SUBSETS,
        "averages": averages or {},
        "noise": noise,
        "methods": {
            name: {
                "type": "nnunet",
                "label": name.capitalize(),
                "scenarios": list(SUBSETS),
                "options": options.get(name, {}),
            }
            for name in ("fusion", "ours")
        },
        "tables": {"table1": {"title": "A toy table"} | table},
        "claims": [],
    }
    if folds > 1:
        content["splits"] |= {"scheme": "kfold", "folds": folds}
    return Settings.model_validate(content)


def texts(table, bold="**"):
    """The text of our cells, row by row."""
    return [
        [
            metric_texts(table, entry, bold=lambda text: f"{bold}{text}{bold}")
            for entry in row.entries
        ]
        for row in table.rows
    ]


def ours(table):
    return [
        [found["" if entry.column.marks else "ours"] for found, entry in zip(of_row, row.entries)]
        for of_row, row in zip(texts(table), table.rows)
    ]


def test_every_subset_of_modalities_is_a_row_with_marks_and_a_column_per_region_and_method(study):
    """3 modalities: 7 subsets. Dice is 10 x modalities + 5 x depth of the region, ours 2 more."""
    methods, depth = ("fusion", "ours"), {"whole": 2, "core": 1, "enhancing": 0}
    measured = {
        (method, scenario, 0, 0): {
            (case, region): 10 * len(present) + 5 * depth[region] + 2 * (method == "ours")
            for case in CASES
            for region in REGIONS
        }
        for method in methods
        for scenario, present in SUBSETS.items()
    }
    table = study(
        {
            "rows": [{"scenario": name} for name in SUBSETS],
            "columns": [
                *({"record": f"present.{name}"} for name in MODALITIES),
                *(
                    {"heading": region, "title": method, "method": method, "region": region}
                    | {"metric": "dice"}
                    for region in REGIONS
                    for method in methods
                ),
            ],
            "spread": "none",
        },
        measured,
    )
    shown = ours(table)
    assert shown[0][:3] == ["●", "○", "○"]
    assert shown[0][3:] == ["20.00", "**22.00**", "15.00", "**17.00**", "10.00", "**12.00**"]
    assert [row[:3] for row in shown][3:] == [
        ["●", "●", "○"],
        ["●", "○", "●"],
        ["○", "●", "●"],
        ["●", "●", "●"],
    ]
    assert shown[-1][3:] == ["40.00", "**42.00**", "35.00", "**37.00**", "30.00", "**32.00**"]
    assert (table.corner, table.rows[0].label) == ("Scenario", "T1")
    latex = to_latex(table)
    assert r"\multicolumn{2}{c}{core}" in latex
    assert r"$\bullet$ & $\circ$ & $\circ$ & 20.00" in latex
    assert summary_numbers([table], [])["table1.t1.ours.core.dice"] == 17.0
    assert row_numbers(table.rows[0])["fusion.whole.dice"] == 20.0


def test_the_mean_over_scenarios_is_a_row_and_a_claims_cell(study):
    """Of t1 and t2: (20 + 40) / 2 and (30 + 60) / 2."""
    cells = {("ours", "t1"): 20.0, ("ours", "t2"): 40.0, ("fusion", "t1"): 30.0}
    measured = {
        (method, scenario, 0, 0): {(case, "whole"): dice for case in CASES}
        for (method, scenario), dice in {**cells, ("fusion", "t2"): 60.0}.items()
    }
    table = study(
        {
            "rows": [{"scenario": "t1"}, {"scenario": "single", "label": "Average"}],
            "columns": [
                {"record": "present.t1"},
                {"method": "fusion", "region": "whole", "metric": "dice"},
                {"method": "ours", "region": "whole", "metric": "dice"},
            ],
            "spread": "none",
        },
        measured,
        averages=SINGLE,
    )
    assert ours(table) == [["●", "**30.00**", "20.00"], ["", "**45.00**", "30.00"]]
    assert table.rows[1].label == "Average"


@pytest.mark.parametrize(
    ("averages", "said"),
    [
        ({"single": ["t1"]}, "two scenarios or more"),
        ({"single": ["t1", "t4"]}, "`t4` is not one of"),
        ({"single": ["t1", "t1"]}, "`t1` is there twice"),
        ({"t1": ["t1", "t2"]}, "`t1` is there twice"),
    ],
)
def test_an_average_is_over_different_scenarios_of_the_study(settings, averages, said):
    rows = [{"method": "ours", "scenario": "t1", "region": "whole"}]
    with pytest.raises(ValidationError, match=said):
        toy_settings(settings, {"rows": rows, "metrics": ["dice"]}, {}, averages=averages)


def test_a_method_has_no_average_over_scenarios_that_it_is_not_tested_in(settings):
    rows = [{"method": "ours", "scenario": "single", "region": "whole"}]
    content = toy_settings(settings, {"rows": rows, "metrics": ["dice"]}, {}, averages=SINGLE)
    changed = content.model_dump()
    changed["methods"]["ours"]["scenarios"] = ["t1"]
    with pytest.raises(ValidationError, match="`single` is not one of t1"):
        Settings.model_validate(changed)


def test_a_table_that_names_no_region_shows_each(study):
    dice = {("a", "whole"): 90.0, ("a", "core"): 80.0, ("a", "enhancing"): 70.0}
    table = study(
        {"metrics": ["dice"], "rows": [{"method": "ours", "scenario": "t1"}]},
        {("ours", "t1", 0, 0): dice},
    )
    assert [column.title for column in table.columns] == [
        "Whole: Dice [%]",
        "Core: Dice [%]",
        "Enhancing: Dice [%]",
    ]
    assert ours(table) == [["90.00", "80.00", "70.00"]]


#: Two folds of unequal size: {a, b, c} and {d}; two seeds in the first.
FOLDS = {
    ("ours", "t1", 0, 0): {("a", "whole"): 60.0, ("b", "whole"): 70.0, ("c", "whole"): 80.0},
    ("ours", "t1", 0, 1): {("a", "whole"): 64.0, ("b", "whole"): 74.0, ("c", "whole"): 84.0},
    ("ours", "t1", 1, 0): {("d", "whole"): 90.0},
    ("ours", "t1", 1, 1): {("d", "whole"): 94.0},
}
ROW = {"method": "ours", "scenario": "t1", "region": "whole"}


def test_means_of_cases_and_of_folds_and_spreads_over_cases_folds_and_seeds(study):
    """Cases 62, 72, 82, 92; folds 72 and 92; seeds 75 and 79."""
    columns = [
        {"metric": "dice", "title": "cases"},
        {"metric": "dice", "mean": "folds", "spread": "folds", "title": "folds"},
    ]
    table = study({"rows": [ROW], "columns": columns}, FOLDS, folds=2, seeds=(0, 1))
    assert ours(table) == [["77.00 ± 12.91", "82.00 ± 14.14"]]
    assert notes(table)[0] == (
        "Ours are under cases means ± standard deviations over test cases, each averaged over its "
        "seeds; under folds means ± standard deviations over the folds' means."
    )
    for spread, text, sd in (
        ("folds", "77.00 ± 14.14", 14.1421),
        ("seeds", "77.00 ± 2.83", 2.8284),
        ("none", "77.00", None),
    ):
        table = study(
            {"rows": [ROW], "columns": [{"metric": "dice"}], "spread": spread},
            FOLDS,
            folds=2,
            seeds=(0, 1),
        )
        assert ours(table) == [[text]]
        numbers = summary_numbers([table], [])
        assert [value for key, value in numbers.items() if key.endswith(".sd")] == [sd]


def test_columns_of_groups_beside_the_mean_of_fold_means_and_the_case_weighted_mean(study):
    columns = [
        {"group": "cyst", "metric": "dice"},
        {"group": "focal nodular", "metric": "dice"},
        {"group": "metastasis", "metric": "dice"},
        {"metric": "dice", "mean": "folds", "title": "Average"},
        {"metric": "dice", "title": "By case", "published": False},
    ]
    table = study(
        {"rows": [ROW], "columns": columns, "spread": "none"}, FOLDS, folds=2, seeds=(0, 1)
    )
    assert [column.title for column in table.columns] == [
        "cyst: Dice [%]",
        "focal nodular: Dice [%]",
        "metastasis: Dice [%]",
        "Average",
        "By case",
    ]
    assert ours(table) == [["72.00", "92.00", "no case", "82.00", "77.00"]]
    assert [entry.summary.n for entry in table.rows[0].entries if entry.summary] == [3, 1, 4, 4]
    # A group that is in one fold alone does not mean that the other's model was not measured.
    assert not any("Not all trained models" in note for note in notes(table))


def test_parameters_hours_and_cases_come_from_the_models_records(study):
    models = {
        ("fusion", 0): {"trained_parameter_count": 9_448_866, "seconds": 7200.0},
        ("ours", 0): {
            "trained_parameter_count": 12_091_218,
            "seconds": 9000.0,
            "cases": {"train": ["x"], "unlabelled": ["y", "z"]},
        },
    }
    names = ("parameters", "hours", "labelled", "unlabelled")
    table = study(
        {
            "rows": [ROW | {"method": name} for name in ("fusion", "ours")],
            "columns": [{"metric": "dice"}, *({"record": name} for name in names)],
        },
        {("ours", "t1", 0, 0): {("a", "whole"): 60.0}},
        models,
    )
    assert ours(table) == [
        ["not run", "9.45", "2.00", "not run", "not run"],
        ["60.00", "12.09", "2.50", "1", "2"],
    ]
    lines = list(csv.DictReader(io.StringIO(to_csv(table))))
    assert [(line["record"], line["mean"]) for line in lines][6:8] == [
        ("parameters", "12.091218"),
        ("hours", "2.500000"),
    ]
    assert summary_numbers([table], [])["table1.ours.t1.whole.parameters"] == 12.0912


def test_options_are_ticks_of_an_ablation_or_words(study):
    columns = [
        {"record": "option.mutual", "title": "Mutual"},
        {"record": "option.fusion", "ticked": ["add", "attention"], "title": "Fusion"},
        {"record": "option.fusion", "title": "How"},
        {"metric": "dice"},
    ]
    table = {
        "rows": [ROW | {"method": name} for name in ("fusion", "ours")],
        "columns": columns[:2] + columns[3:],
    }
    options = {
        "fusion": {"mutual": False, "fusion": "add"},
        "ours": {"mutual": True, "fusion": "none"},
    }
    measured = {("ours", "t1", 0, 0): {("a", "whole"): 60.0}}
    built = study(table, measured, options=options)
    assert [row[:2] for row in ours(built)] == [["", "✓"], ["✓", ""]]
    assert r"Ours & \checkmark{} &  &" in to_latex(built)
    assert "amssymb" in to_latex(built)
    assert "| Method | Mutual | Fusion | Dice [%] ours |" in to_markdown(built)
    built = study(table | {"columns": columns[2:]}, measured, options=options)
    assert [row[0] for row in ours(built)] == ["add", "none"]


def test_a_published_number_is_found_for_any_cell(study, tmp_path, monkeypatch):
    lines = [
        "table1,ours,t1,whole,cyst,dice,,,70.5,,none,B,printed",
        "table1,ours,,,,,parameters,,9.44,,none,A,printed",
        "table1,ours,t1,whole,,dice,,,80.2,1.1,folds,B,printed",
    ]
    (tmp_path / "toy.csv").write_text("\n".join([",".join(COLUMNS), *lines]) + "\n")
    monkeypatch.setattr(comparison, "printed_numbers", lambda name: read_published("toy", tmp_path))
    columns = [
        {"group": "cyst", "metric": "dice"},
        {"record": "parameters"},
        {"metric": "dice"},
        {"metric": "dice", "mean": "folds", "published": False},
    ]
    models = {("ours", 0): {"trained_parameter_count": 9_440_000}}
    table = study({"rows": [ROW], "columns": columns}, FOLDS, models, folds=2, seeds=(0, 1))
    found = [entry.published and entry.published.mean for entry in table.rows[0].entries]
    assert found == [70.5, 9.44, 80.2, None]
    assert table.difference(table.rows[0].entries[1]) == pytest.approx(0.0)
    assert any("published ± is taken to be over folds" in note for note in notes(table))


def test_a_count_that_the_paper_cuts_off_is_reproduced_exactly_or_not_claimed(
    study, tmp_path, monkeypatch
):
    """9,448,849 parameters are printed as 9.44, where most papers would print 9.45."""
    lines = [
        "table1,ours,,,,,parameters,,9.44,,none,A,printed",
        "table1,fusion,,,,,parameters,,15.65,,none,A,printed",
        "table1,ours,t1,whole,,dice,,,80.2,,none,B,printed",
    ]
    (tmp_path / "toy.csv").write_text("\n".join([",".join(COLUMNS), *lines]) + "\n")
    reason = "the paper adds up parts that it has cut off, 9.44 + 3 x 2.07"
    sums = f"exact: [{{method: fusion, record: parameters, value: 15.664776, reason: '{reason}'}}]"

    def built(written, counts):
        (tmp_path / "toy.yaml").write_text(written)
        known = printed_numbers("toy", tmp_path)
        monkeypatch.setattr(comparison, "printed_numbers", lambda name: known)
        models = {
            (name, 0): {"trained_parameter_count": count}
            for name, count in zip(("ours", "fusion"), counts)
        }
        table = {
            "rows": [ROW, ROW | {"method": "fusion"}],
            "columns": [{"record": "parameters"}, {"metric": "dice"}],
        }
        return study(table, {("ours", "t1", 0, 0): {("a", "whole"): 60.0}}, models)

    table = built(f"truncated: [parameters]\n{sums}", (9_448_849, 15_664_776))
    assert [row[0] for row in ours(table)] == ["9.448849 (exact)", "15.664776 (exact)"]
    assert [table.difference(row.entries[0]) for row in table.rows] == [0, 0]
    said = " ".join(notes(table))
    assert "all its digits are shown, which the paper cuts off rather than rounds." in said
    assert f"Fusion: {reason}." in said
    assert "without data. Here: Parameters [M]." in said
    assert "Where a count is not marked" not in said

    alike = "[{method: %s, record: parameters, value: 9.448849, reason: one output}]"
    both = f"exact: {alike % 'ours'}{alike % 'fusion'}".replace("][", ", ")
    assert "Ours, Fusion: one output." in notes(built(both, (9_448_849, 9_448_849)))

    smaller = built(f"truncated: [parameters]\n{sums}", (151_201, 15_664_776))
    assert [row[0] for row in ours(smaller)] == ["0.15", "15.664776 (exact)"]
    assert any("Where a count is not marked, the network" in note for note in notes(smaller))

    rounded = built("title: rounded", (9_448_849, 15_654_776))
    assert [row[0] for row in ours(rounded)] == ["9.45", "15.654776 (exact)"]


def test_a_cell_is_compared_with_its_reference_wherever_the_methods_stand(study):
    measured = {
        (method, "t1", 0, 0): {(case, "whole"): base + i for i, case in enumerate(CASES)}
        for method, base in (("fusion", 70.0), ("ours", 75.0))
    }
    columns = [{"method": name, "metric": "dice"} for name in ("fusion", "ours")]
    row = {"scenario": "t1", "region": "whole"}
    table = study({"rows": [row], "columns": columns, "reference": {"t1": "ours"}}, measured)
    fusion, reference = table.rows[0].entries
    assert reference.is_reference
    assert reference.comparison is None
    assert fusion.comparison.estimate == pytest.approx(-5.0)
    assert "| Fusion, T1: Whole | Fusion: Dice [%] | −5.00 |" in to_markdown(table)


def test_a_row_with_a_label_of_its_own_is_compared_under_that_label(study):
    measured = {
        (method, "t1", 0, 0): {(case, "whole"): base + i for i, case in enumerate(CASES)}
        for method, base in (("fusion", 70.0), ("ours", 75.0))
    }
    rows = [{"method": "fusion", "label": "Fusion (few labels)"}, {"method": "ours"}]
    columns = [{"scenario": "t1", "region": "whole", "metric": "dice"}]
    table = study({"rows": rows, "columns": columns, "reference": {"t1": "ours"}}, measured)
    assert "| Fusion (few labels) | T1: Whole: Dice [%] | −5.00 |" in to_markdown(table)


def test_rows_of_one_method_under_one_heading_are_told_apart_by_what_they_select(study):
    measured = {("ours", name, 0, 0): {("a", "whole"): 70.0} for name in ("t1", "t2")}
    rows = [{"method": "ours", "scenario": name, "region": "whole"} for name in ("t1", "t2")]
    table = study({"rows": rows, "metrics": ["dice"]}, measured)
    assert [row.label for row in table.rows] == ["Ours: T1: Whole", "Ours: T2: Whole"]
    parted = [row | {"heading": row["scenario"]} for row in rows]
    table = study({"rows": parted, "metrics": ["dice"]}, measured)
    assert [row.label for row in table.rows] == ["Ours", "Ours"]


OTHER = {"method": "ours", "scenario": "t2"}


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"rows": [ROW], "columns": [{"method": "ours", "metric": "dice"}]}, "both name a method"),
        ({"rows": [{"method": "ours"}], "columns": [{"metric": "dice"}]}, "name no scenario"),
        ({"rows": [ROW], "columns": [{"title": "Dice"}]}, "columns: number 1 selects nothing"),
        ({"rows": [ROW, ROW], "columns": [{"metric": "dice"}]}, "rows: two select the same"),
        ({"rows": [ROW], "columns": [{"group": "cyst"}]}, "name no metric"),
        (
            {"rows": [ROW], "columns": [{"metric": "dice"}], "metrics": ["dice"]},
            "has `metrics` and `columns`",
        ),
        ({"rows": [ROW | {"region": "all"}], "metrics": ["dice"]}, "`all` is not one of"),
        ({"rows": [ROW], "columns": [{"metric": "../dice"}]}, "String should match pattern"),
        (
            {"rows": [{"label": "A", "variants": {"own": ROW}}], "metrics": ["dice"]},
            "rows: no variant `own` in the columns, which have none",
        ),
        (
            {"rows": [ROW], "columns": [{"metric": "dice", "variant": "own"}]},
            "columns: no variant `own` in the rows, which have none",
        ),
        ({"rows": [{"variants": {"own": ROW}}], "metrics": ["dice"]}, "give the row a `label`"),
        (
            {"rows": [ROW | {"reference": True}, OTHER], "metrics": ["dice"]}
            | {"reference": {"t1": "ours"}},
            "has `reference`, and ours.t1.whole as a reference",
        ),
        (
            {"rows": [ROW | {"reference": True}, OTHER | {"reference": True}], "metrics": ["dice"]},
            "ours.t1.whole and ours.t2 are both the `reference`",
        ),
        (
            {
                "rows": [ROW | {"label": "A", "variants": {"own": {"method": "ours"}}}],
                "columns": [{"metric": "dice", "variant": "own"}],
            },
            "both name a method, `ours` and `ours`",
        ),
        (
            {"rows": [{"scenario": "t1"}], "columns": [{"record": "present.t9"}]},
            "`t9` is not one of",
        ),
    ],
)
def test_a_table_that_makes_no_cells_is_one_clear_line(settings, table, said):
    with pytest.raises(ValidationError) as raised:
        toy_settings(settings, table, {})
    assert said in str(raised.value)


def test_an_unknown_record_names_the_known_ones(study):
    table = {"rows": [ROW], "columns": [{"metric": "dice"}, {"record": "weight"}]}
    with pytest.raises(UserError, match="unknown record `weight`; expected one of parameters, "):
        study(table, {("ours", "t1", 0, 0): {("a", "whole"): 60.0}})


def test_a_claim_may_be_about_a_region_and_a_group():
    cases = measured_methods(a=80, b=75)
    other = cases.assign(region="core", dice=50.0)
    cases["group"] = other["group"] = "cyst"
    names = {"case": "of another type " + cases["case"], "patient": "another " + cases["patient"]}
    another = cases.assign(group="metastasis", dice=50.0, **names)
    both = pd.concat([cases, other, another])
    cell = {"scenario": "both", "region": "tumour", "group": "cyst"}
    claim = ClaimSettings.model_validate(
        {
            "text": "A beats B.",
            "kind": "better",
            "first": [cell | {"method": "a"}],
            "second": [cell | {"method": "b"}],
        }
    )
    (found,) = evaluate_claims([claim], both, "trend")
    (alone,) = evaluate_claims([claim], cases, "trend")
    assert found["estimate"] == alone["estimate"] == pytest.approx(5, abs=0.6)


@pytest.fixture
def with_foreign_images(case_row, write_cell, tmp_path) -> None:
    """Dice of `ours` with other cases' images: a 60 with that of b and 80 with that of c, b 86."""
    rows = [
        case_row(case, dice=dice, foreign=other, region="whole")
        for case, other, dice in (("a", "b", 60.0), ("a", "c", 80.0), ("b", "a", 86.0))
    ]
    write_cell(tmp_path / "metrics", "ours", "t2", rows)


@pytest.mark.usefixtures("with_foreign_images")
def test_what_another_scenario_costs_is_a_difference_case_by_case(study):
    """a: 80 and 70 on average with other images, b: 90 and 86; so 10 and 4. c has no partner."""
    own = {("a", "whole"): 80.0, ("b", "whole"): 90.0, ("c", "whole"): 50.0}
    row = {"method": "ours", "region": "whole"}
    columns = [
        {"scenario": "t1", "metric": "dice"},
        {"scenario": "t1", "minus": "t2", "metric": "dice", "title": "Reduction"},
    ]
    table = study({"rows": [row], "columns": columns}, {("ours", "t1", 0, 0): own})
    assert ours(table) == [["73.33 ± 20.82", "7.00 ± 4.24"]]
    assert table.rows[0].entries[1].summary.n == 2
    assert table.columns[1].direction == ""  # a reduction is neither better nor worse by itself


def gain(**more):
    """A row of what `ours` gains over `fusion`."""
    return {"method": "ours", "scenario": "t1", "minus_method": "fusion", "region": "whole"} | more


def test_what_a_method_gains_over_another_is_a_difference_training_by_training(study):
    """By hand: 10 and 4 with the first seed, 1 with the second, which has no b of `fusion`."""
    measured = {
        ("ours", "t1", 0, 0): {("a", "whole"): 70.0, ("b", "whole"): 80.0},
        ("ours", "t1", 0, 1): {("a", "whole"): 70.0, ("b", "whole"): 99.0},
        ("fusion", "t1", 0, 0): {("a", "whole"): 60.0, ("b", "whole"): 76.0},
        ("fusion", "t1", 0, 1): {("a", "whole"): 69.0},
        ("fusion", "t1_t2", 0, 0): {("a", "whole"): 30.0, ("b", "whole"): 40.0},
    }
    rows = [gain(label="In one"), gain(label="In another", minus="t1_t2")]
    table = study(
        {"rows": rows, "columns": [{"metric": "dice"}], "spread": "none"}, measured, seeds=(0, 1)
    )
    assert ours(table) == [[f"{((10 + 1) / 2 + 4) / 2:.2f}"], ["40.00"]]
    assert table.columns[0].direction == ""
    assert not table.has_best
    of_file = list(csv.DictReader(io.StringIO(to_csv(table))))
    assert [line["minus"] for line in of_file] == ["fusion", "fusion.t1_t2"]
    assert {
        "table1.ours.t1.whole.minus-fusion.dice",
        "table1.ours.t1.whole.minus-fusion.t1_t2.dice",
    } <= {*summary_numbers([table], [])}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (gain(minus_method="other"), "minus_method: `other` is not one of fusion, ours"),
        (gain(minus="t9"), "minus: `t9` is not one of flair, t1, "),
    ],
)
def test_what_is_taken_off_must_be_in_the_study(study, row, said):
    with pytest.raises(ValueError, match=said):
        study({"rows": [row], "columns": [{"metric": "dice"}]}, {})


def test_a_heading_stands_above_the_rows_that_follow_it_and_parts_their_best(study):
    """Two groups of two; the best of the second is less than any of the first."""
    dice = {"t1": 80.0, "t2": 90.0, "t1_t2": 40.0, "t1_flair": 50.0}
    headings = {"t1": "First", "t1_t2": "Second"}
    rows = [
        {"method": "ours", "scenario": name, "label": name, "heading": headings.get(name, "")}
        for name in dice
    ]
    measured = {("ours", name, 0, 0): {("a", "whole"): value} for name, value in dice.items()}
    columns = [{"region": "whole", "metric": "dice"}]
    table = study({"rows": rows, "columns": columns, "spread": "none"}, measured)
    assert ours(table) == [["80.00"], ["**90.00**"], ["40.00"], ["**50.00**"]]
    assert [row.heading for row in table.rows] == ["First", "First", "Second", "Second"]


@pytest.mark.parametrize(("labels", "said"), [("AA", "A, Second"), ("AB", "B")])
def test_a_comparison_names_the_heading_only_where_the_label_stands_under_several(
    study, labels, said
):
    names = ("t1", "t2")
    rows = [
        {"method": "ours", "scenario": name, "label": label, "heading": heading}
        for name, label, heading in zip(names, labels, ("First", "Second"))
    ]
    rows[0]["reference"] = True
    measured = {
        ("ours", name, 0, 0): {("a", "whole"): 50.0, ("b", "whole"): 60.0} for name in names
    }
    table = study({"rows": rows, "columns": [{"region": "whole", "metric": "dice"}]}, measured)
    ((row, entry),) = table.compared
    assert compared_texts(table, row, entry)[0] == said


def test_a_rows_method_and_scenario_may_differ_from_column_to_column(study, tmp_path):
    """Two strategies in two variants, of which the second has only one."""
    metric = {"metric": "dice", "region": "whole"}
    columns = [
        metric | {"variant": "any_t1", "title": "T1", "heading": "Any"},
        metric | {"variant": "own_t2", "title": "T2", "heading": "Own"},
    ]
    rows = [
        {
            "label": "One input",
            "variants": {
                "any_t1": {"method": "fusion", "scenario": "t1"},
                "own_t2": {"method": "ours", "scenario": "t2"},
            },
        },
        {"label": "Registered", "variants": {"own_t2": {"method": "fusion", "scenario": "t1_t2"}}},
    ]
    measured = {
        ("fusion", "t1", 0, 0): {("a", "whole"): 60.0},
        ("ours", "t2", 0, 0): {("a", "whole"): 70.0},
        ("fusion", "t1_t2", 0, 0): {("a", "whole"): 80.0},
    }
    table = study({"rows": rows, "columns": columns, "spread": "none"}, measured)
    assert ours(table) == [["60.00", "70.00"], ["", "**80.00**"]]
    assert [row.name for row in table.rows] == ["fusion-ours.t1-t2", "fusion.t1_t2"]
    assert "| Registered |  | **80.00** |" in to_markdown(table)
    assert "Registered &  & \\textbf{80.00}" in to_latex(table)
    assert len(to_csv(table).splitlines()) == 1 + 3
    assert list(summary_numbers([table], [])) == [
        *(f"table1.fusion-ours.t1-t2.any_t1.whole.dice{end}" for end in ENDS),
        *(f"table1.fusion-ours.t1-t2.own_t2.whole.dice{end}" for end in ENDS),
        *(f"table1.fusion.t1_t2.own_t2.whole.dice{end}" for end in ENDS),
        *(f"claims.{verdict}" for verdict in ("holds", "does_not_hold", "undecided")),
    ]


ENDS = ("", ".sd", ".n", ".missed")


def strategies(reference=True):
    """One input in t1, two inputs in t1_t2, each in two variants of which the second lacks one."""
    metric = {"metric": "dice", "region": "whole", "title": "T1"}
    first = {"any": {"method": "fusion", "scenario": "t1"}, "own": {"method": "ours"}}
    first["own"] |= {"scenario": "t1"}
    second = {"own": {"method": "ours", "scenario": "t1_t2"}}
    return {
        "columns": [metric | {"variant": name, "heading": name.upper()} for name in ("any", "own")],
        "rows": [
            {"label": "One", "variants": first, "reference": reference},
            {"label": "Two", "variants": second},
        ],
        "spread": "none",
    }


def test_a_row_may_be_what_the_others_are_compared_with_column_by_column(study):
    cases = ("a", "b", "c", "d")
    measured = {
        (method, scenario, 0, 0): {(case, "whole"): dice + n for n, case in enumerate(cases)}
        for method, scenario, dice in (
            ("fusion", "t1", 60.0),
            ("ours", "t1", 70.0),
            ("ours", "t1_t2", 67.5),
        )
    }
    table = study(strategies(), measured)
    assert [row.is_reference for row in table.rows] == [True, False]
    ((row, entry),) = table.compared
    assert (row.label, entry.column.variant) == ("Two", "own")
    assert entry.comparison.estimate == pytest.approx(-2.5)
    assert "against One, Holm-corrected" in "".join(notes(table))
    assert "| Two | OWN: T1 | −2.50 |" in to_markdown(table)


@pytest.mark.usefixtures("with_foreign_images")
def test_a_reduction_is_averaged_over_cases_or_over_all_ordered_pairs(study):
    """Case a loses 20 with b's image and 0 with c's, b loses 4: 7 over cases, 8 over pairs."""
    loss = {"scenario": "t1", "minus": "t2", "metric": "dice"}
    table = study(
        {
            "rows": [{"method": "ours", "region": "whole"}],
            "columns": [loss, loss | {"mean": "pairs", "spread": "pairs"}],
        },
        {("ours", "t1", 0, 0): {("a", "whole"): 80.0, ("b", "whole"): 90.0}},
    )
    assert ours(table) == [["7.00 ± 4.24", "8.00 ± 10.58"]]  # sd of 20, 0, 4
    header, _, last = csv.reader(io.StringIO(to_csv(table)))
    assert header[-1] == "pair_sd"
    assert float(last[-1]) == pytest.approx(10.583, abs=1e-3)
    assert "all pairs of a test case and another patient's image" in notes(table)[0]


def test_what_a_foreign_image_costs_may_differ_by_row_and_column(
    study, case_row, write_cell, tmp_path
):
    """The first strategy is hurt in t1, the second in t2; each column has its own scenarios."""
    for method, scenario, dice in (("fusion", "t2", 70.0), ("ours", "flair", 55.0)):
        rows = [case_row("a", dice=dice, foreign="b", region="whole")]
        write_cell(tmp_path / "metrics", method, scenario, rows)
    columns = [
        {"variant": "first", "metric": "dice", "region": "whole"},
        {"variant": "second", "metric": "dice", "region": "whole"},
    ]
    rows = [
        {
            "label": "A",
            "variants": {"first": {"method": "fusion", "scenario": "t1", "minus": "t2"}},
        },
        {
            "label": "B",
            "variants": {"second": {"method": "ours", "scenario": "t1_t2", "minus": "flair"}},
        },
    ]
    table = study(
        {"rows": rows, "columns": columns, "spread": "none"},
        {
            ("fusion", "t1", 0, 0): {("a", "whole"): 80.0},
            ("ours", "t1_t2", 0, 0): {("a", "whole"): 90.0},
        },
    )
    assert ours(table) == [["10.00", ""], ["", "35.00"]]
    assert not any(column.ranked for column in table.columns)


@pytest.mark.parametrize("seeds", [(0,), (0, 1, 2)])
def test_differences_below_the_noise_floor_are_marked_with_what_it_rests_on(study, seeds):
    """Three trainings at 60, 60.6 and 61.2: gaps 0.6, 0.6, 1.2; so 0.8. Differences 0.5 and 3."""
    measured = {
        (method, scenario, 0, seed): {(case, "whole"): dice + 0.6 * seed for case in CASES}
        for seed in seeds
        for method, scenario, dice in (
            ("fusion", "t1", 60.0),
            ("ours", "t1", 70.0),
            ("ours", "t1_t2", 67.0),
            ("fusion", "t1_t2", 60.5),
        )
    }
    wanted = strategies()
    wanted["rows"][1]["variants"]["any"] = {"method": "fusion", "scenario": "t1_t2"}
    noise = {"method": "fusion", "scenarios": ["t1"]}
    table = study(wanted, measured, seeds=seeds, noise=noise)
    _, two = table.rows
    mark = " ≈" if len(seeds) == 3 else ""
    assert ours_text(two.entries[0]).endswith(mark)
    assert "≈" not in ours_text(two.entries[1])
    header, *lines = csv.reader(io.StringIO(to_csv(table)))
    told = [dict(zip(header, line)) for line in lines if line[header.index("label")] == "Two"]
    if len(seeds) == 1:
        said = "The noise floor is not measured: Fusion was trained only once on each fold."
        assert [line["within_noise"] for line in told] == ["", ""]
    else:
        said = (
            "≈ marks a difference below the noise floor: 0.80 for Dice [%], whole, measured on 3 "
            "trainings of Fusion (one fold)."
        )
        assert [line["within_noise"] for line in told] == ["1", "0"]
        assert [line["noise_floor"] for line in told] == ["0.800000"] * 2
        assert r"$\approx$" in to_latex(table)
        assert "61.10 ≈" in to_markdown(table)
    assert table.caption.endswith(said)
    assert said in to_markdown(table)


def test_a_reduction_below_the_noise_floor_is_marked(study):
    measured = {
        ("ours", scenario, 0, seed): {("a", "whole"): dice + seed}
        for seed in (0, 1)
        for scenario, dice in (("t1", 80.0), ("t2", 79.5), ("flair", 70.0))
    }
    columns = [{"scenario": "t1", "minus": name, "metric": "dice"} for name in ("t2", "flair")]
    table = study(
        {"rows": [{"method": "ours", "region": "whole"}], "columns": columns, "spread": "none"},
        measured,
        seeds=(0, 1),
        noise={"method": "ours", "scenarios": ["t1", "t2"]},
    )
    assert ours(table) == [["0.50 ≈", "10.00"]]


def test_a_table_of_repeated_trainings_alone_says_by_how_much_they_differ(study):
    """Gaps of 1, 1 and 2."""
    measured = {("ours", "t1", 0, seed): {("a", "whole"): 60.0 + seed} for seed in range(3)}
    table = study(
        {
            "rows": [{"method": "ours", "region": "whole"}],
            "columns": [{"scenario": "t1", "metric": "dice"}],
        },
        measured,
        seeds=(0, 1, 2),
        noise={"method": "ours", "scenarios": ["t1"]},
    )
    said = "The noise floor: 1.33 for Dice [%], whole, measured on 3 trainings of Ours (one fold)."
    assert table.caption.endswith(said)
    header, line = csv.reader(io.StringIO(to_csv(table)))
    told = dict(zip(header, line))
    assert (told["noise_floor"], told["within_noise"]) == ("1.333333", "")


def test_without_a_method_that_is_repeated_nothing_is_said_about_noise(study):
    measured = {("ours", name, 0, 0): {("a", "whole"): 60.0} for name in ("t1", "t1_t2")}
    table = study(strategies(), measured)
    assert table.noise == ""
    assert "noise" not in to_markdown(table) + to_csv(table)


def test_records_are_shown_without_a_spread(study):
    table = study(
        {"rows": [ROW], "columns": [{"record": "hours"}]},
        {("ours", "t1", 0, 0): {("a", "whole"): 60.0}},
        {("ours", 0): {"seconds": 3600.0}},
    )
    assert ours_text(table.rows[0].entries[0]) == "1.00"
