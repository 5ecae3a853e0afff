"""Scans are told from localizers, computed images and pictures."""

import pytest

from remodal.scan.kinds import judge


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "a localizer"),
        ({"SeriesDescription": "Topogramm  0.6", "slices": 1}, "a single image"),
        ({"SeriesDescription": "SURVEY_BFFE"}, "a localizer"),
        ({"ImageType": ["DERIVED", "PRIMARY", "MIP"]}, "a maximum or minimum intensity projection"),
        ({"SeriesDescription": "ART MIP cor 10"}, "a maximum or minimum intensity projection"),
        ({"SeriesDescription": "t1_vibe_dyn_SUB"}, "a subtraction"),
        ({"ImageType": ["DERIVED", "PRIMARY", "ADC"], "Modality": "MR"}, "a diffusion map"),
        ({"SeriesDescription": "ep2d_diff_ADC", "Modality": "MR"}, "a diffusion map"),
        ({"Modality": "OT"}, "a secondary capture"),
        ({"Modality": "PT"}, "no CT or MR image (PT)"),
        ({"Modality": "<b>x</b>", "SOPClassUID": "1.2.3"}, "no CT or MR image (an unknown code)"),
        ({"SeriesDescription": "PreMonitoring"}, "bolus monitoring"),
        ({"slices": 5}, "5 slices, fewer than 8"),
        ({"SamplesPerPixel": 3, "PixelData": bytes(432)}, "in colour"),
    ],
)
def test_what_is_no_scan_is_left_out_with_its_reason(values, said, write, found):
    slices = values.pop("slices", 10)
    change = None
    if "PixelData" in values:
        pixels = values.pop("PixelData")

        def change(dataset, index):
            dataset.PixelData = pixels

    write(slices, change, **values)
    (examination,) = found()
    (one,) = map(judge, examination.volumes)
    assert (one.usable, one.said) == ("", said)


def test_planes_computed_from_a_scan_are_told_from_the_scan(write, found):
    write(SeriesDescription="Abdomen ven 5.0")
    write(SeriesDescription="Abdomen ven cor", ImageType=["DERIVED", "SECONDARY", "MPR"])
    (examination,) = found()
    usable = {
        one.volume.get("SeriesDescription"): one.usable for one in map(judge, examination.volumes)
    }
    assert usable == {"Abdomen ven 5.0": "scan", "Abdomen ven cor": "reformat"}


@pytest.mark.parametrize(
    ("kernel", "sharp"),
    [
        *[(one, False) for one in ("B30f", "Br40d", "STANDARD", "SOFT", "B", "FC08", "I31f\\3")],
        *[(one, True) for one in ("B70f", "Bl57d", "LUNG", "BONEPLUS", "FC52", "YC", "I70f\\3")],
    ],
)
def test_kernels_for_bone_and_lung(kernel, sharp, write, found):
    write(ConvolutionKernel=kernel.split("\\"))
    (examination,) = found()
    (one,) = map(judge, examination.volumes)
    assert (one.usable, one.sharp) == ("scan", sharp)
