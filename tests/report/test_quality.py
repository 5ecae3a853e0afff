"""Registration quality and quarantine, as the report lists them."""

import pandas as pd

from remodal.report.quality import (
    failed_predictions,
    quarantined,
    registration_quality,
    warnings,
)
from remodal.results.records import Record, case_records
from remodal.settings import RegistrationSettings
from remodal.splits import read_splits


def records_of(study, data):
    return case_records(study, data, read_splits(study / "splits.json")["modalities"])


def test_doubtful_registrations_are_shown_first(whole_study):
    settings, study, data = whole_study
    found = registration_quality(settings, records_of(study, data), data)
    names = [panel.heading for panel in found.thumbnails]
    assert names == ["Case patient013", *(f"Case patient00{number}" for number in range(5))]
    assert found.thumbnails[0].note.endswith("0.20 % folded")
    assert found.thumbnails[1].note == "mutual information 0.40 before, 0.50 after"


def test_every_pair_is_in_the_table_with_its_numbers(whole_study):
    settings, study, data = whole_study
    found = registration_quality(settings, records_of(study, data), data)
    assert len(found.rows) == 14
    row = dict(zip(found.columns, found.rows[5].values))
    assert (row["MI after"], row["Mean shift [mm]"], row["Folded"]) == (0.55, 5.0, 0.0)
    assert found.histograms.startswith("<svg")


def test_an_image_and_its_copy_are_told_apart_by_their_registrations(settings, whole_study):
    *_, data = whole_study
    quality = {"arterial": {"overlap": 0.9}, "again": {"overlap": 0.8}}
    labels = {"arterial": 31.5, "again": 4.0}
    quality |= {f"label-{name}": {"displacement_mm": apart} for name, apart in labels.items()}
    record = Record(case="a", stage="register", details={"fixed": "venous"} | quality)
    modalities = {"modalities": ["arterial", "venous", "again"], "copies": {"again": "arterial"}}
    way = RegistrationSettings(fixed="venous", method="header", by_modality={"again": "elastix"})
    twice = {"data": settings.data.model_copy(update=modalities), "registration": way}
    found = registration_quality(settings.model_copy(update=twice), [record], data)
    assert [(row.case, row.modality) for row in found.rows] == [("a", "arterial"), ("a", "again")]
    assert found.columns[-1] == "Labels apart [mm]"
    assert [row.values[-1] for row in found.rows] == [31.5, 4.0]
    assert "by the headers" in found.described
    assert "The again image was registered to the venous image with elastix" in found.described


def test_images_on_one_grid_have_no_registration_quality(make_settings, whole_study):
    *_, data = whole_study
    settings = make_settings(registration={"method": "none"})
    found = registration_quality(settings, [], data)
    assert found.rows == []
    assert "shared one grid" in found.described


def test_a_quarantined_case_is_listed_once_with_its_first_stage():
    bad = Record(case="b", stage="convert", status="quarantined", reason="one slice")
    records = [bad, bad.model_copy(), Record(case="a", stage="convert")]
    notes = quarantined(records, {"quarantined": {"b": "one slice", "c": "is in no fold"}})
    assert [(note.case, note.stage, note.reason) for note in notes] == [
        ("b", "convert", "one slice"),
        ("c", "split", "is in no fold"),
    ]


def test_test_cases_without_a_value_are_listed_once_with_their_row(settings):
    row = {"method": "maml", "scenario": "both", "fold": 0, "seed": 1, "case": "a"}
    cases = pd.DataFrame([row | {"failed": "odd"}, row | {"failed": "odd"}, row | {"failed": ""}])
    (note,) = failed_predictions(settings, cases)
    assert (note.case, note.reason, note.fault) == ("a", "odd", True)
    assert note.stage.endswith(", both, fold 0, seed 1")


def test_warnings_are_of_used_cases_and_each_once():
    kept = Record(case="a", stage="convert", warnings=["a gap", "a gap"])
    gone = Record(case="b", stage="convert", status="quarantined", warnings=["unseen"])
    assert [note.reason for note in warnings([kept, gone], {})] == ["a gap"]
