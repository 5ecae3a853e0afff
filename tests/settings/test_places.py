"""Studies, presets and published numbers of one's own lie in a folder of one's own."""

import shutil

import pytest

from remodal.errors import UserError
from remodal.report.published import read_published
from remodal.run.needed import needed_studies
from remodal.run.plan import Plan
from remodal.settings.composition import compose
from remodal.settings.places import REPOSITORY, hidden, named_files


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A folder of one's own to work in, with an empty config/."""
    monkeypatch.chdir(tmp_path)
    for kind in ("studies", "presets", "published"):
        (tmp_path / "config" / kind).mkdir(parents=True)
    return tmp_path / "config"


def write(own, name, text):
    (own / name).write_text(text)


def test_a_study_of_one_s_own_extends_one_of_remodal_s(own):
    write(own, "studies/ours.yaml", "extends: liver\ntitle: Ours\n")
    made = compose({"study": "ours", "preset": "smoke"})
    assert (made.study_id, made.title) == ("ours-smoke", "Ours")
    assert made.methods == compose({"study": "liver", "preset": "smoke"}).methods


def test_a_preset_of_one_s_own_counts_and_the_line_says_so(own):
    write(own, "presets/smoke.yaml", "seeds: [7]\n")
    assert compose({"study": "liver", "preset": "smoke"}).seeds == [7]
    said = hidden("liver", "smoke")
    assert said.startswith("config/presets/smoke.yaml is taken, not remodal's own file")
    assert said.count("\n") == 1


def test_a_study_that_extends_its_own_name_extends_remodal_s(own):
    write(own, "studies/liver.yaml", "extends: liver\ntitle: Ours\n")
    made = compose({"study": "liver", "preset": "smoke"})
    assert made.title == "Ours"
    assert "maml" in made.methods


def test_equal_copies_hide_nothing(own):
    shutil.copy(REPOSITORY / "config/studies/liver.yaml", own / "studies")
    assert hidden("liver", "smoke") == ""


def test_studies_that_extend_each_other_are_an_error(own):
    write(own, "studies/one.yaml", "extends: other\n")
    write(own, "studies/other.yaml", "extends: one\n")
    with pytest.raises(UserError, match=r"one\.yaml: the study extends itself"):
        compose({"study": "one", "preset": "smoke"})


def test_studies_of_both_places_are_named_where_one_is_unknown(own):
    write(own, "studies/ours.yaml", "extends: liver\n")
    with pytest.raises(UserError, match=r"unknown study `our`; .*\bliver\b.*\bours\b"):
        compose({"study": "our", "preset": "smoke"})


def test_a_study_that_makes_masks_is_found_among_one_s_own(own):
    write(own, "studies/our_region.yaml", "extends: liver_region\ndata: {name: ours}\n")
    crop = "preprocessing: {crop: {mask: {study: 'our_region-{preset}'}}}\n"
    mask = "registration: {options: {centroid: {mask: {study: 'our_region-{preset}'}}}}\n"
    write(own, "studies/our_lesions.yaml", f"extends: mpct_fll\n{crop}{mask}")
    made = compose({"study": "our_lesions", "preset": "smoke"})
    assert list(needed_studies(made)) == ["our_region-smoke"]


def test_published_numbers_of_both_places_are_found(own):
    shutil.copy(REPOSITORY / "config/published/maml.csv", own / "published/ours.csv")
    assert read_published("ours") == read_published("maml") != {}
    write(own, "studies/ours.yaml", "extends: liver\npublished: ours\n")
    ours, maml = (
        Plan(compose({"study": study, "preset": "smoke"}), {}, None, {}, {}).published("csv")
        for study in ("ours", "liver")
    )
    assert ours == ["config/published/ours.csv"]
    assert maml == [str(named_files("published", "maml.csv")[0])]


def test_files_that_remodal_s_studies_name_are_found(own):
    made = compose({"study": "pancreas_nih", "preset": "paper"})
    assert made.splits.file == REPOSITORY / "config/splits/pancreas_ct_60_20.json"
