"""Published numbers: the file as shipped, and what a wrong one says."""

from pathlib import Path

import pytest

from remodal.errors import UserError
from remodal.report.paper_notes import printed_numbers
from remodal.report.published import COLUMNS, Published, read_published

HEADER = ",".join(COLUMNS)
GOOD = "table1,maml,both,tumour,,dice,,,81.25,17.02,cases,C,a row"


def write(folder: Path, *lines: str) -> None:
    (folder / "paper.csv").write_text("\n".join([HEADER, *lines]) + "\n")


def test_every_cell_of_the_maml_papers_three_tables_is_there():
    numbers = read_published("maml")
    assert len([key for key in numbers if key[0] == "table1"]) == 5 * 2
    assert len([key for key in numbers if key[0] == "table2"]) == 4 * 2
    assert len([key for key in numbers if key[0] == "table3"]) == 4 * 3
    best = numbers["table1", "maml", "both", "tumour", "", "dice", "", ""]
    assert (best.mean, best.sd, best.spread, best.reproducibility) == (81.25, 17.02, "cases", "C")


#: As the paper prints them: Tables 1 and 2 (Dice, ASSD), Table 3 (ET, TC, WT).
PRINTED = """
table1 nnunet      78.76 18.91  8.02 20.21
table1 octopusnet  78.89 18.65 12.67 42.43
table1 ms_ensemble 78.96 19.37  5.88 10.73
table1 ms_ma       80.98 18.58  5.38  9.20
table1 maml        81.25 17.02  4.71  6.13
table2 nnunet_arterial 71.21 25.87 9.51 28.34
table2 maml            79.55 19.06 6.38 12.00
table2 nnunet_venous   75.10 20.65 9.26 30.82
table2 maml            79.81 18.42 6.35 12.03
table3 hemis  60.8  None 58.5  None 58.5  None
table3 u_hved 65.5  None 66.7  None 62.4  None
table3 kd_net 71.67 1.22 81.45 1.25 76.98 1.54
table3 maml   73.42 1.10 83.36 1.23 78.32 1.41
"""

#: WT, TC, ET of the average over 15 subsets, in the README of RFNet's repository.
AVERAGES = {
    "hemis": (78.60, 59.70, 48.10),
    "u_hved": (80.10, 64.00, 50.00),
    "rfnet": (85.67, 76.53, 57.12),
}


def test_every_digit_is_that_of_the_paper():
    found = {}
    for key, value in read_published("maml").items():
        found.setdefault((key.table, key.method, key.scenario), []).extend([value.mean, value.sd])
    of_paper = [
        (table, method, [None if n == "None" else float(n) for n in numbers])
        for table, method, *numbers in map(str.split, PRINTED.split("\n")[1:-1])
    ]
    ours = [(*key[:2], n) for key, n in found.items() if not key[0].startswith("subsets")]
    assert ours == of_paper
    for method, averages in AVERAGES.items():
        regions = ("whole_tumour", "tumour_core", "enhancing_tumour")
        cells = [(f"subsets_{region}", method, "any_subset") for region in regions]
        assert [found[cell] for cell in cells] == [[mean, None] for mean in averages]


def test_the_published_phase_gaps_are_those_of_the_paper():
    numbers = read_published("maml")

    def dice(method: str, phase: str) -> float:
        return numbers["table2", method, phase, "tumour", "", "dice", "", ""].mean

    assert dice("maml", "venous") - dice("maml", "arterial") == pytest.approx(0.26)
    gap = dice("nnunet_venous", "venous") - dice("nnunet_arterial", "arterial")
    assert gap == pytest.approx(3.89)


def test_every_row_of_the_liver_papers_tables_has_its_published_number(settings):
    numbers = read_published(settings.published)
    for name in ("table1", "table2"):
        for row in settings.tables[name].rows:
            for metric in ("dice", "assd_voxel"):
                assert (name, row.method, row.scenario, "tumour", "", metric, "", "") in numbers


def test_a_study_without_a_paper_has_no_numbers():
    assert read_published("") == {}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (GOOD.replace("81.25", "high"), "row 2: `mean` is `high`"),
        (GOOD.replace("81.25", ""), "row 2: `mean` is empty"),
        (GOOD.replace(",C,", ",D,"), "row 2: `reproducibility` is `D`"),
        (GOOD.replace("cases", "weeks"), "row 2: `spread` is `weeks`"),
        (GOOD + ",more", "row 2: has more or fewer cells"),
        (GOOD + "\n" + GOOD, "row 3: `table1 maml both tumour dice` stands twice"),
    ],
)
def test_a_wrong_cell_is_named_by_row_and_column(tmp_path, line, says):
    write(tmp_path, line)
    with pytest.raises(UserError, match=says):
        read_published("paper", tmp_path)


def test_a_missing_file_and_a_wrong_header_are_the_users_errors(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        read_published("paper", tmp_path)
    (tmp_path / "paper.csv").write_text("method,mean\n")
    with pytest.raises(UserError, match="has the columns method, mean"):
        read_published("paper", tmp_path)


@pytest.mark.parametrize(
    ("mean", "decimals", "truncated", "value", "said"),
    [
        (9.44, 2, True, 9.448866, True),
        (9.44, 2, False, 9.448866, False),
        (9.45, 2, False, 9.448866, True),
        (20.46, 2, True, 20.469156, True),
        (9.44, 2, True, 9.45, False),
        (9.5, 1, False, 9.448866, False),
        (12.1, 2, True, 12.1, True),
        (9.44, 2, True, float("nan"), False),
    ],
)
def test_a_number_is_exact_if_the_paper_would_print_it_so(mean, decimals, truncated, value, said):
    printed = Published(mean, None, "none", "A", "a table", decimals, truncated)
    assert printed.says(value) is said


def test_no_number_of_a_retraining_is_exact():
    assert not Published(81.25, 17.02, "cases", "C", "a table").says(81.25)


def test_the_printed_decimals_are_those_of_the_file(tmp_path):
    write(tmp_path, GOOD.replace("81.25", "81.20"), GOOD.replace("dice", "voe").replace(".25", ""))
    assert [number.decimals for number in read_published("paper", tmp_path).values()] == [2, 0]


def test_an_exact_value_of_a_number_that_is_not_printed_is_an_error(tmp_path):
    write(tmp_path, GOOD)
    (tmp_path / "paper.yaml").write_text(
        "exact: [{method: maml, record: parameters, value: 1, reason: counted}]"
    )
    with pytest.raises(UserError, match=r"paper.yaml: `exact`: maml parameters is not printed"):
        printed_numbers("paper", tmp_path)


def test_a_number_that_is_printed_as_a_bound_has_no_exact_value(tmp_path):
    write(tmp_path, GOOD.replace("81.25,17.02", "<0.1,").replace(",C,", ",A,"))
    (bound,) = read_published("paper", tmp_path).values()
    assert (bound.mean, bound.below, bound.decimals) == (0.1, True, 1)
    assert not bound.says(0.1)
