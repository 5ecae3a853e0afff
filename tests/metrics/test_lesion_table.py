from math import isnan, nan

from remodal.metrics.cases import FOREIGN
from remodal.metrics.lesion_table import COLUMNS, lesion_rows, read_lesions, write_lesions
from remodal.metrics.lesions import TrueLesion

LESIONS = [TrueLesion(2.5, True, 0.75), TrueLesion(0.125, False, nan)]
NAMED = {"case": "007", "patient": "NA", "group": "", "region": "tumour", FOREIGN: ""}


def written(folder, **said):
    rows = [NAMED | said | row for row in lesion_rows(LESIONS)]
    write_lesions(folder / "lesions/both.csv", rows)


def test_a_lesion_that_was_not_found_has_no_dice(tmp_path):
    written(tmp_path / "maml/fold1-seed20")
    text = (tmp_path / "maml/fold1-seed20/lesions/both.csv").read_text()
    assert text.splitlines() == [
        ",".join(COLUMNS),
        "007,NA,,tumour,,1,2.500000,1,0.750000",
        "007,NA,,tumour,,2,0.125000,0,",
    ]
    found, missed = read_lesions(tmp_path).to_dict("records")
    assert (found["method"], found["fold"], found["seed"]) == ("maml", 1, 20)
    assert (found["scenario"], found["case"], found["patient"]) == ("both", "007", "NA")
    assert (found["volume_ml"], found["found"], found["dice"]) == (2.5, 1, 0.75)
    assert (missed["lesion"], missed["found"]) == (2, 0)
    assert isnan(missed["dice"])


def test_tables_of_models_alone_are_read_and_those_without_a_lesion_add_nothing(tmp_path):
    assert list(read_lesions(tmp_path).columns[-len(COLUMNS) :]) == list(COLUMNS)
    for folder in ("b/fold0-seed0", "a/fold0-seed0", "a/fold0-seed0-old"):
        written(tmp_path / folder)
    write_lesions(tmp_path / "a/fold0-seed1/lesions/both.csv", [])
    lesions = read_lesions(tmp_path)
    assert lesions["method"].tolist() == ["a", "a", "b", "b"]
    assert lesions["found"].dtype == int
    assert list(lesions.index) == [0, 1, 2, 3]
