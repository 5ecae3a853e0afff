"""Which series is which image, how surely, and which of several is taken."""

import pytest

from remodal.scan.enhancement import Enhancement

MR = {"Modality": "MR", "RepetitionTime": 600, "EchoTime": 10}


def taken(choices):
    return {one.verdict.name: number for number, one in choices.items() if one.taken}


def test_phases_from_description_and_delay_are_sure(write, chosen):
    for number, word, time in ((2, "arteriell", "100035"), (3, "portalvenös", "100110")):
        write(
            SeriesNumber=number,
            SpecificCharacterSet="ISO_IR 100",
            SeriesDescription=f"Abdomen {word}",
            AcquisitionTime=time,
            ContrastBolusStartTime="100000",
        )
    choices = chosen()
    assert taken(choices) == {"arterial": "2", "venous": "3"}
    assert {one.verdict.sureness for one in choices.values()} == {"high"}
    reasons = choices["2"].verdict.reasons
    assert reasons[:2] == (
        "its description says `arteriell`",
        "it was scanned 35 s after the injection began",
    )


def test_the_times_tell_where_descriptions_are_silent(write, chosen):
    for number, time in ((2, "100035"), (3, "100110"), (4, "100500")):
        write(SeriesNumber=number, AcquisitionTime=time, ContrastBolusStartTime="100000")
    choices = chosen("arterial,venous,late")
    assert taken(choices) == {"arterial": "2", "venous": "3", "late": "4"}
    assert choices["4"].verdict.sureness == "medium"


def test_the_order_of_two_scans_alone_is_a_guess(write, chosen):
    for number, time in ((2, "100035"), (3, "100110")):
        write(SeriesNumber=number, AcquisitionTime=time)
    choices = chosen()
    assert taken(choices) == {"arterial": "2", "venous": "3"}
    assert {one.verdict.sureness for one in choices.values()} == {"low"}
    assert choices["2"].verdict.reasons == ("it is scan 1 of 2 by the time of day",)


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (("100000", "100130", "100205"), {"plain": 1, "arterial": 2, "venous": 3}),
        (("100000", "100035", "100400"), {"arterial": 1, "venous": 2, "late": 3}),
        (
            ("095500", "100000", "100035", "100400"),
            {"plain": 1, "arterial": 2, "venous": 3, "late": 4},
        ),
        (("100000", "101000"), {}),
    ],
)
def test_scans_before_and_after_the_two_phases_are_plain_and_late(times, expected, write, chosen):
    for number, time in enumerate(times, 1):
        write(SeriesNumber=number, AcquisitionTime=time)
    found = taken(chosen("arterial,venous,plain,late"))
    assert found == {name: str(number) for name, number in expected.items()}


def test_a_series_that_is_sure_goes_before_a_thinner_guess(write, chosen):
    write(SeriesNumber=1, AcquisitionTime="100000", step=1)
    write(SeriesNumber=2, AcquisitionTime="100035")
    write(SeriesNumber=3, SeriesDescription="arterial")
    choices = chosen()
    assert taken(choices) == {"arterial": "3", "venous": "2"}
    assert choices["1"].said == "arterial too: a guess; the other is surer"


def test_a_scan_before_the_injection_is_plain(write, chosen):
    write(SeriesNumber=1, AcquisitionTime="095900", ContrastBolusStartTime="100000")
    choice = chosen("plain")["1"]
    assert choice.verdict.name == "plain"
    assert choice.verdict.reasons == ("it was scanned 60 s before the injection began",)


def test_trigger_times_tell_phases_of_one_time_apart(write, chosen):
    for number, trigger in ((1, 0), (2, 35_000)):
        write(SeriesNumber=number, AcquisitionTime="100000", TriggerTime=trigger, **MR)
    assert taken(chosen(phases_in="MR")) == {"arterial": "1", "venous": "2"}


def test_the_protocol_speaks_for_a_series_without_a_description(write, chosen):
    write(SeriesNumber=2, ProtocolName="Leber arteriell")
    assert taken(chosen()) == {"arterial": "2"}


def test_a_measured_enhancement_against_the_description_makes_it_unsure(write, chosen):
    write(SeriesNumber=2, SeriesDescription="arterial")
    venous = Enhancement(aorta=150, liver=110)
    choice = chosen(measured={0: venous})["2"]
    assert (choice.verdict.name, choice.verdict.sureness) == ("arterial", "low")
    assert choice.verdict.reasons[-1] == "but aorta 150 HU, liver 110 HU, as in venous"


def test_without_any_sign_a_volume_is_left_out(write, chosen):
    write(SeriesNumber=2, SeriesDescription="Abdomen 5.0")
    choice = chosen()["2"]
    assert (choice.taken, choice.said) == (False, "nothing tells which image it is")


def test_of_several_the_thinnest_soft_complete_original_is_taken(write, chosen):
    of_scan = {"AcquisitionTime": "100035", "SeriesDescription": "art"}
    write(10, SeriesNumber=2, step=5, ConvolutionKernel="B30f", **of_scan)
    write(40, SeriesNumber=3, step=1.25, ConvolutionKernel="B30f", **of_scan)
    write(50, SeriesNumber=4, step=1, ConvolutionKernel="B70f", **of_scan)
    derived = ["DERIVED", "SECONDARY", "MPR"]
    write(60, SeriesNumber=5, step=0.8, ConvolutionKernel="B30f", ImageType=derived, **of_scan)
    broken = write(60, SeriesNumber=6, step=0.9, ConvolutionKernel="B30f", **of_scan)
    broken[30].unlink()
    choices = chosen()
    assert taken(choices) == {"arterial": "3"}
    assert choices["2"].said == "arterial too: slices of 5 mm, those of the other are 1.25 mm apart"
    assert choices["4"].said == "arterial too: a kernel for bone or lung"
    assert choices["5"].said == "arterial too: computed planes; there is a scan"
    assert choices["6"].said.startswith("gap: 1 slice missing")


def test_sequences_of_a_brain(write, chosen):
    times = {"RepetitionTime": 5000, "EchoTime": 100}
    inverted = {"RepetitionTime": 9000, "EchoTime": 120, "InversionTime": 2500}
    write(SeriesNumber=1, SeriesDescription="t1_se_tra", **MR)
    write(SeriesNumber=2, SeriesDescription="t1_se_tra KM", **MR, ContrastBolusAgent="Gadovist")
    write(SeriesNumber=3, SeriesDescription="T2W_TSE", **(MR | times))
    write(SeriesNumber=4, SeriesDescription="AX T2 FLAIR", **(MR | inverted))
    write(SeriesNumber=5, SeriesDescription="ep2d_diff_3scan_trace", **(MR | times))
    write(SeriesNumber=6, SeriesDescription="T2*_GRE", **(MR | {"EchoTime": 20}))
    choices = chosen("t1,t1ce,t2,flair")
    assert taken(choices) == {"t1": "1", "t1ce": "2", "t2": "3", "flair": "4"}
    assert choices["4"].verdict.sureness == "high"
    assert choices["4"].verdict.reasons[1] == "TR 9000, TE 120, TI 2500 ms"
    assert choices["6"].said == "nothing tells which image it is"


def test_a_second_t1_of_the_same_name_is_only_guessed_to_show_contrast(write, chosen):
    write(SeriesNumber=1, SeriesDescription="t1_mprage", AcquisitionTime="100000", **MR)
    write(SeriesNumber=2, SeriesDescription="t1_mprage", AcquisitionTime="101500", **MR)
    choices = chosen("t1,t1ce")
    assert taken(choices) == {"t1": "1", "t1ce": "2"}
    assert choices["2"].verdict.sureness == "low"


def test_patterns_of_the_user_decide(write, chosen):
    write(SeriesNumber=1, SeriesDescription="Prot_17 WASSER", **MR)
    write(SeriesNumber=2, SeriesDescription="t2_haste", **MR)
    write(40, SeriesNumber=3, SeriesDescription="t2_tse", step=1, **MR)
    choices = chosen("water=wasser|water,t2=haste,t1")
    assert taken(choices) == {"water": "1", "t2": "2"}
    assert {choices[number].verdict.sureness for number in "12"} == {"high"}
    assert choices["3"].verdict.name != "t2"


@pytest.mark.parametrize("phases_in", ["CT", "MR"])
def test_phases_are_looked_for_in_one_kind_of_scan(phases_in, write, chosen):
    write(SeriesNumber=1, SeriesDescription="arterial")
    write(SeriesNumber=2, SeriesDescription="vibe arterial", **MR)
    write(SeriesNumber=3, SeriesDescription="arterial t2", **(MR | {"EchoTime": 90}), step=1)
    assert taken(chosen(phases_in=phases_in)) == {"arterial": {"CT": "1", "MR": "2"}[phases_in]}
