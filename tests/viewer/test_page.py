from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
import SimpleITK as sitk

from remodal.errors import UserError
from remodal.geometry.volume import Geometry, Volume
from remodal.intake.nifti import read_volume, write_volume
from remodal.viewer.page import write_page

HOSTILE = "</script><script>alert('x')</script><img src=x onerror=alert(1)>{{ 7 * 7 }}&\"'"


@pytest.fixture
def written(shown, tmp_path, reading):
    """The page of a case without NiiVue, and what was written, by `write_page`'s options."""

    def write(changed=shown, **options):
        output = tmp_path / "page.html"
        said = write_page(changed, output, "var niivue = {};", **options)
        return reading(output, tmp_path), said

    return write


def place(image: sitk.Image) -> list[float]:
    return [*image.GetSpacing(), *image.GetOrigin(), *image.GetDirection()]


def test_the_images_in_the_page_are_those_of_the_study_voxel_by_voxel_and_in_their_place(
    shown, written
):
    page, said = written()
    assert (said.images, said.segmentations) == (2, 4)
    for image in page.contents["images"]:
        source = sitk.ReadImage(str(shown.images[image["title"]]))
        held = page.volumes[image["volume"]]
        assert place(held) == place(source)
        assert held.GetPixelID() == source.GetPixelID()
        np.testing.assert_array_equal(
            sitk.GetArrayFromImage(held), sitk.GetArrayFromImage(source), strict=True
        )


def test_the_segmentations_in_the_page_are_those_of_the_study_the_truth_as_classes(shown, written):
    page, _ = written()
    held = [one for group in page.contents["groups"] for one in group["segmentations"]]
    assert [one["title"] for one in held] == ["Truth", "nnUNet", "MAML", "MAML"]
    for one, source in zip(held, shown.segmentations, strict=True):
        expected = sitk.ReadImage(str(source.file))
        assert place(page.volumes[one["volume"]]) == pytest.approx(place(expected), abs=1e-5)
        array = sitk.GetArrayFromImage(expected)
        array = (array == 2) if source.truth else array
        found = sitk.GetArrayFromImage(page.volumes[one["volume"]])
        np.testing.assert_array_equal(found, array.astype(np.uint8), strict=True)


def test_a_smaller_page_holds_voxels_of_the_source_where_they_were_and_says_what_is_left_out(
    shown, written
):
    page, said = written(crop=True, spacing=3.2)
    assert "only every 2nd (x), 2nd (y), 1st (z) voxel is here" in page.text
    assert "only the part around the segmentations is here" not in said.note  # 30 mm is all of it
    for image in page.contents["images"]:
        source = sitk.ReadImage(str(shown.images[image["title"]]))
        held = page.volumes[image["volume"]]
        assert held.GetSize() == (15, 12, 10)
        for index in ((0, 0, 0), (7, 3, 5), (14, 11, 9)):
            point = held.TransformIndexToPhysicalPoint(index)
            there = source.TransformPhysicalPointToIndex(point)
            assert np.allclose(source.TransformIndexToPhysicalPoint(there), point, atol=1e-3)
            assert held[index] == source[there]


def test_a_page_is_cropped_to_truth_and_predictions_with_a_margin(shown, written, tmp_path):
    grid = Geometry((6, 80, 80), (1.0, 1.0, 2.0))
    image, mask = np.arange(6 * 80 * 80, dtype=np.float32).reshape(grid.shape), np.zeros(grid.shape)
    mask[2, 40, 41:44] = 1
    write_volume(tmp_path / "image.nii.gz", Volume(image, grid))
    write_volume(tmp_path / "mask.nii.gz", Volume(mask.astype(np.uint8), grid))
    group = replace(
        shown.groups[1],
        segmentations=[
            replace(shown.groups[1].segmentations[0], file=tmp_path / "mask.nii.gz"),
        ],
    )
    small = replace(shown, images={"one": tmp_path / "image.nii.gz"}, groups=[group])
    page, said = written(small, crop=True)
    assert said.note == "only the part around the segmentations is here"
    assert said.note in page.text
    held = sitk.GetArrayFromImage(page.volumes["volume-0"])
    np.testing.assert_array_equal(held, image[0:6, 10:71, 11:74])
    assert page.volumes["volume-0"].GetOrigin() == (11.0, 10.0, 0.0)


def test_the_page_names_no_address_and_may_not_reach_the_network(written):
    page, _ = written()
    assert "http://" not in page.text.replace("http://www.w3.org", "")
    assert "https://" not in page.text
    assert "default-src 'none'" in page.text


def test_the_page_says_whether_it_holds_a_patient_s_data(shown, written):
    assert "Simulated data" in written()[0].text
    data = shown.settings.data.model_copy(update={"simulated": False})
    own = replace(shown, settings=shown.settings.model_copy(update={"data": data}))
    text = written(own)[0].text
    assert "Patient data." in text
    assert "Simulated" not in text


class Elements(HTMLParser):
    """The elements of a page, and the text that is shown."""

    def __init__(self):
        super().__init__()
        self.kinds, self.shown = [], []

    def handle_starttag(self, tag, attrs):
        self.kinds.append((tag, tuple(name for name, _ in attrs if name.startswith("on"))))

    def handle_data(self, data):
        self.shown.append(data)


def test_hostile_names_stay_text(shown, written):
    usual = Elements()
    usual.feed(written()[0].text)
    groups = [
        replace(group, title=HOSTILE, segmentations=[replace(one, title=HOSTILE, note=HOSTILE)])
        for group in shown.groups
        for one in group.segmentations[:1]
    ]
    images = {HOSTILE: shown.images["arterial"], "venous": shown.images["venous"]}
    settings = shown.settings.model_copy(update={"title": HOSTILE})
    page, _ = written(
        replace(
            shown,
            settings=settings,
            case=HOSTILE,
            facts=[HOSTILE, "test case of fold 0"],
            images=images,
            groups=groups,
            classes={HOSTILE: "#ff0000"},
        )
    )
    elements = Elements()
    elements.feed(page.text)
    missing = len(shown.segmentations) - len(groups)
    assert len(usual.kinds) - len(elements.kinds) == missing  # one script per volume
    assert not any(handlers for _, handlers in elements.kinds)
    assert elements.shown.count(HOSTILE) == 2  # heading and the study's title
    assert page.contents["classes"][0]["title"] == HOSTILE
    assert page.contents["images"][0]["title"] == HOSTILE
    assert {group["title"] for group in page.contents["groups"]} == {HOSTILE}


def test_a_prediction_on_another_grid_than_the_images_is_refused(shown, written, tmp_path):
    volume = read_volume(shown.segmentations[1].file)
    moved = replace(volume.geometry, origin=(0.0, 0.0, 0.0))
    write_volume(tmp_path / "moved.nii.gz", Volume(volume.array, moved))
    one = replace(shown.segmentations[1], file=tmp_path / "moved.nii.gz")
    with pytest.raises(UserError, match="lies elsewhere than the case's images"):
        written(replace(shown, groups=[replace(shown.groups[1], segmentations=[one])]))


def test_the_crosshair_begins_inside_the_truth(shown, written):
    page, _ = written()
    x, y, z = page.contents["centre"]
    truth = page.volumes[page.contents["groups"][0]["segmentations"][0]["volume"]]
    assert truth[truth.TransformPhysicalPointToIndex((-x, -y, z))] == 1
