"""The report's section about the data."""

import shutil

import pandas as pd
import pytest

from remodal.report.data_charts import boxes_by_group
from remodal.report.data_numbers import image_numbers, in_words, label_numbers, spread
from remodal.report.data_outliers import outliers
from remodal.report.data_section import data_section
from remodal.report.lesion_sizes import study_lesions
from remodal.report.page import write_report
from remodal.results.files import write_json
from remodal.results.records import Record, write_record


def scanned(case, image="venous", *, spacing=(0.8, 0.8, 5.0), slices=40, ends=(-1000, 300), **tags):
    details = {"spacing": list(spacing), "shape": [slices, 512, 512], "range": list(ends)}
    return Record(case=case, stage="convert", modality=image, details=details | {"tags": tags})


def drawn(case, values, spacing=(1.0, 1.0, 5.0)):
    details = {"spacing": list(spacing), "shape": [40, 512, 512], "values": values}
    return Record(case=case, stage="convert-label", modality="venous", details=details)


def many(**last):
    """Records of eight alike cases and one that differs."""
    return [*(scanned(f"c{n:03d}") for n in range(8)), scanned("c017", **last)]


def found(records):
    images = image_numbers(records, {record.case for record in records})
    return [(one.case, one.image, one.what, one.others) for one in outliers(images, [])]


def test_a_case_with_other_slices_than_all_the_others_is_named_with_both_numbers():
    records = many(spacing=(0.8, 0.8, 10.0), slices=20)
    assert found(records) == [("c017", "venous", "slices 10 mm apart", "all 5")]


def test_a_case_in_another_unit_or_with_a_shorter_scan_is_named():
    assert found(many(ends=(24, 1324))) == [
        ("c017", "venous", "bright voxels at 1324 (99.5 %)", "all 300"),
        ("c017", "venous", "dark voxels at 24 (0.5 %)", "most −1000"),
    ]
    assert found(many(slices=12)) == [("c017", "venous", "slices cover 60 mm", "all 200")]


def test_what_lies_a_little_beside_the_others_is_not_named():
    assert found(many(spacing=(0.82, 0.82, 5.5), ends=(-1010, 350))) == []


@pytest.mark.parametrize(("value", "named"), [(1850, False), (1950, True)])
def test_what_is_unlike_lies_three_distances_of_the_quartiles_beyond_them(value, named):
    """The quartiles are 1100 and 1300, so from 1900 on; a quarter of the contrast is 550 or so."""
    ends = (1000, 1000, 1100, 1100, 1200, 1200, 1300, 1300, value)
    records = [scanned(f"c{number}", ends=(-1000, end)) for number, end in enumerate(ends)]
    names = [(case, what) for case, _, what, _ in found(records)]
    assert names == ([("c8", f"bright voxels at {value} (99.5 %)")] if named else [])


def test_two_protocols_of_the_same_size_are_not_unlike_each_other():
    records = [
        scanned(f"c{n}", spacing=(0.8, 0.8, 1.25 if n % 2 else 5.0), slices=160 if n % 2 else 40)
        for n in range(10)
    ]
    assert found(records) == []


def test_of_four_cases_none_is_unlike_the_others():
    assert found(many(spacing=(0.8, 0.8, 10.0))[-4:]) == []


def test_each_modality_is_compared_with_its_own_kind():
    thick = [scanned(f"c{n:03d}", "plain", spacing=(0.8, 0.8, 10.0), slices=20) for n in range(8)]
    assert found([*many(), *thick]) == []


def test_the_slices_of_a_coronal_file_are_those_along_its_longest_voxels():
    (one,) = image_numbers([scanned("c1", spacing=(1.0, 6.0, 1.2), slices=300)], {"c1"})
    assert (one.apart, one.pixel, one.slices, one.covered) == (6.0, 1.1, 512, 3072.0)


def test_cases_that_are_not_in_use_and_quarantined_images_do_not_count():
    bad = scanned("c2").model_copy(update={"status": "quarantined"})
    assert [
        one.case for one in image_numbers([scanned("c1"), bad, scanned("c3")], {"c1", "c2"})
    ] == ["c1"]


def test_a_region_s_volume_is_that_of_all_its_values_at_the_label_s_own_spacing(settings):
    regions = {"tumour": ["tumour"]}
    data = settings.data.model_copy(update={"classes": {"tumour": [2, 3]}, "regions": regions})
    changed = settings.model_copy(update={"data": data})
    records = [drawn("c1", {"1": 9000, "2": 300, "3": 100}), drawn("c2", {"1": 5})]
    found = label_numbers(changed, records, {"c1", "c2"})
    assert [(one.case, one.region, one.volume) for one in found] == [
        ("c1", "tumour", pytest.approx(2.0)),
        ("c2", "tumour", 0.0),
    ]


def test_a_volume_far_from_all_others_is_named(settings):
    volumes = [1000, 2000, 4000, 1500, 3000, 2500, 1_000_000_0]
    records = [drawn(f"c{n}", {"2": count}) for n, count in enumerate(volumes)]
    labels = label_numbers(settings, records, {record.case for record in records})
    (one,) = outliers([], labels)
    assert (one.case, one.what, one.others) == (
        *("c6", "tumour of 50000 ml"),
        "half of them 8.12 to 14.4",
    )


@pytest.mark.parametrize(
    ("value", "text"), [(5.0, "5"), (0.78125, "0.781"), (-1009.0, "−1009"), (12345.6, "12346")]
)
def test_numbers_keep_the_digits_that_count(value, text):
    assert in_words(value) == text


def test_a_median_stands_with_its_range_unless_all_are_equal():
    assert spread([5.0, 5.0, 10.0]) == ("5", "5 to 10")
    assert spread([5.0, 5.00001]) == ("5", "")
    assert spread([]) == ("–", "")


def splits_with_repeated_patients():
    fold = {"train": ["a1", "a2", "b"], "validation": [], "test": ["c"]}
    return {
        "folds": [fold],
        "patients": {"a1": "a", "a2": "a", "b": "b", "c": "c"},
        "groups": {"a1": "HCC", "a2": "HCC", "b": "cyst", "c": ""},
    }


def section(settings, folder, records=(), splits=None, cases=None):
    empty = pd.DataFrame(columns=["case", "scenario", "region", "lesions"])
    splits = splits or splits_with_repeated_patients()
    lesions = study_lesions(settings, folder)
    cases = empty if cases is None else cases
    return data_section(settings, folder, records, splits, cases, lesions)


def test_each_set_says_its_patients_its_cases_and_those_of_each_group(settings, tmp_path):
    told = section(settings, tmp_path)
    assert told.groups == ["HCC", "cyst"]
    assert [(row.name, row.patients, row.cases, row.groups) for row in told.sets] == [
        ("Training", 2, 3, [2, 1]),
        ("Validation", 0, 0, [0, 0]),
        ("Test", 1, 1, [0, 0]),
    ]


def test_without_groups_or_repeated_patients_the_table_of_sets_is_left_to_that_of_cases(
    settings, tmp_path
):
    splits = {"folds": [], "patients": {"a": "a", "b": "b"}, "groups": {"a": "", "b": ""}}
    assert section(settings, tmp_path, splits=splits).sets == []


def test_the_images_are_described_by_modality_with_what_made_them(settings, tmp_path):
    records = [
        scanned("a1", "arterial", Manufacturer="ACME", ManufacturerModelName="One"),
        scanned("b", "arterial", spacing=(0.8, 0.8, 2.5), Manufacturer="ACME"),
        scanned("c", "venous"),
    ]
    told = section(settings, tmp_path, records)
    assert [(row.name, row.count, row.scanners) for row in told.images] == [
        ("Arterial", 2, "ACME One (1), ACME (1)"),
        ("Venous", 1, ""),
    ]
    assert told.images[0].numbers[:2] == [("3.75", "2.5 to 5"), ("0.8", "")]
    assert [chart.title for chart in told.charts] == ["Spacing", "Intensities"]


def test_what_was_measured_in_the_classes_of_training_cases_stands_beside_the_images(
    settings, tmp_path
):
    measured = {"mean": 66.75, "sd": 35.61, "lower": -5, "upper": 149, "voxels": 9000}
    content = {"foreground": {"venous": measured}}
    write_json(tmp_path / "preprocessed/fold0.fingerprint.json", content)
    told = section(settings, tmp_path, [scanned("a1", "arterial"), scanned("c", "venous")])
    assert told.columns[-1] == "In the classes"
    assert [row.numbers[-1] for row in told.images] == [("–", ""), ("66.8 ± 35.6", "")]


def test_the_page_shows_the_section(whole_study, tmp_path):
    settings, study, data = whole_study
    shutil.copytree(study, tmp_path / "study", ignore=shutil.ignore_patterns("predictions"))
    shutil.copytree(data, tmp_path / "data")
    for number in range(14):
        spacing = (0.8, 0.8, 10.0 if number == 3 else 5.0)
        for image in ("arterial", "venous"):
            record = scanned(f"patient{number:03d}", image, spacing=spacing)
            folder = tmp_path / "data/converted" / record.case
            write_record(folder / f"{image}.json", record)
    measured = {"mean": 66.75, "sd": 35.61}
    fingerprint = {"foreground": dict.fromkeys(("arterial", "venous"), measured)}
    write_json(tmp_path / "study/preprocessed/fold0.fingerprint.json", fingerprint)
    write_report(settings, tmp_path / "study", tmp_path / "data", tmp_path / "index.html")
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    text = page[page.index('<section id="data">') : page.index('<section id="cases">')]
    assert '<th scope="row">patient003</th>' in text
    assert "slices 10 mm apart" in text
    assert "5<small>5 to 10</small>" in text
    assert "66.8 ± 35.6" in text


def test_lesions_are_counted_once_for_each_test_case(settings, tmp_path, monkeypatch):
    from remodal.report import data_charts as module

    drawn = {}
    monkeypatch.setattr(module, "histograms", lambda panels, counts: drawn.update(panels) or "")
    rows = [
        {"case": case, "scenario": scenario, "region": "tumour", "lesions": count}
        for scenario in ("both", "venous")
        for case, count in (("c1", 3), ("c2", 0))
    ]
    section(settings, tmp_path, cases=pd.DataFrame(rows))
    assert drawn == {"Tumour": [3.0, 0.0]}


@pytest.mark.parametrize(("groups", "boxes"), [(1, 1), (2, 3), (8, 9), (9, 1)])
def test_only_a_few_groups_have_boxes_of_their_own(groups, boxes):
    values = [(f"case{number}", float(number)) for number in range(groups)]
    found = boxes_by_group(values, {case: f"group of {case}" for case, _ in values})
    assert len(found) == boxes
    assert [value for box in found[1:] for value in box.values] == found[0].values[: len(found[1:])]
