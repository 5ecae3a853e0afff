import numpy as np

from remodal.phantom.phases import draw_tissues


def test_tissues_enhance_in_the_order_of_the_contrast_agent():
    for seed in range(30):
        tissue = draw_tissues(np.random.default_rng(seed))
        assert tissue["aorta"].arterial > tissue["aorta"].venous + 60
        assert tissue["liver"].venous > tissue["liver"].arterial + 15
        assert tissue["hepatic_vein"].venous > tissue["hepatic_vein"].arterial + 50
        assert tissue["renal_cortex"].arterial > tissue["renal_medulla"].arterial + 40
        assert tissue["portal_vein"].venous > tissue["liver"].venous + 15
        assert tissue["aorta"].arterial > tissue["portal_vein"].arterial


def test_patients_differ_and_fat_does_not():
    drawn = [draw_tissues(np.random.default_rng(seed)) for seed in range(30)]
    assert np.std([tissue["liver"].venous for tissue in drawn]) > 4
    assert len({tissue["fat"] for tissue in drawn}) == 1
