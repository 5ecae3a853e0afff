"""Words of descriptions, in the languages of the hospitals."""

from types import SimpleNamespace

import pytest

from remodal.scan.phases import described_phase
from remodal.scan.words import LOCALIZERS, SEQUENCES, found_in, plain_text


@pytest.mark.parametrize(
    ("description", "phase"),
    [
        ("Abdomen  5.0  B30f  arterial", "arterial"),
        ("ABD_ART_1.5", "arterial"),
        ("2art 3mm", "arterial"),
        ("Oberbauch spätarteriell", "arterial"),
        ("Late arterial", "arterial"),
        ("Abdo temps artériel tardif", "arterial"),
        ("FASE ARTERIAL TARDIA", "arterial"),
        ("Lever arterieel 3mm", "arterial"),
        ("Addome fase arteriosa", "arterial"),
        ("上腹部 动脉期 1.25mm", "arterial"),
        ("Portal Venous", "venous"),
        ("Abdomen portalvenös 3,0", "venous"),
        ("Abdomen PORTALVENOES", "venous"),
        ("temps veineux", "venous"),
        ("FASE PORTAL", "venous"),
        ("portoveneus", "venous"),
        ("fase venosa", "venous"),
        ("门静脉期", "venous"),
        ("Abdomen nativ", "plain"),
        ("ABDO SANS INJECTION", "plain"),
        ("sin contraste", "plain"),
        ("blanco", "plain"),
        ("senza mdc", "plain"),
        ("平扫", "plain"),
        ("Thorax W/O", "plain"),
        ("Delayed 5 min", "late"),
        ("Spätphase", "late"),
        ("temps tardif", "late"),
        ("延迟期", "late"),
    ],
)
def test_a_phase_is_found_in_its_language(description, phase):
    assert phase_in(description) == phase


@pytest.mark.parametrize(
    "description",
    [
        "Abdomen 5.0",
        "part 2",
        "Startup",
        "inventory",
        "arterial/portal venous",
        "Preset",
        "",
        "Leber",
    ],
)
def test_words_within_words_and_several_phases_are_no_phase(description):
    assert phase_in(description) == ""


def phase_in(description):
    return described_phase(SimpleNamespace(description=description))[0]


def test_digits_end_words_and_numbers_are_whole():
    assert found_in(plain_text("T2W_TSE"), SEQUENCES["t2"])
    assert found_in(plain_text("t2tse"), SEQUENCES["t2"])
    assert not found_in(plain_text("t21"), SEQUENCES["t2"])
    assert found_in(plain_text("3-Plane Localizer"), LOCALIZERS) == "localizer"
