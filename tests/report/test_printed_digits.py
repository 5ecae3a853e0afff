"""Every digit that the papers on DTC and on SAM + URIM print, beside our files of them."""

from collections import defaultdict
from itertools import pairwise

import pytest

from remodal.report.published import read_published

#: Dice, Jaccard, ASD, 95HD, parameters in millions, hours.
DTC = """
table2 seg_few              70.63 56.72 6.29 22.54  9.44 2.1
table2 seg_all              81.78 69.65 1.34  5.13  9.44 2.3
table2 mean_teacher         75.85 61.98 3.40 12.59  9.44 2.9
table2 dan                  76.74 63.29 2.97 11.13 12.09 3.3
table2 entropy_minimisation 75.31 61.73 3.88 11.72  9.44 2.2
table2 ua_mt                77.26 63.82 3.06 11.90  9.44 3.9
table2 cct                  76.58 62.76 3.69 12.92 15.65 4.1
table2 sassnet              77.66 64.08 3.05 10.93 20.46 3.9
table2 dtc                  78.27 64.75 2.25  8.36  9.44 2.5
table1 seg_few              70.63 56.72 6.29 22.54  9.44 2.1
table1 lsf_few              71.78 57.55 6.31 20.74  9.44 2.1
table1 seg_lsf_few          73.08 58.65 4.47 18.04  9.44 2.2
table1 seg_lsf_dtc_few      74.84 60.78 2.17  9.34  9.44 2.3
table1 seg_all              81.78 69.65 1.34  5.13  9.44 2.3
table1 lsf_all              82.25 70.23 1.18  5.19  9.44 2.5
table1 seg_lsf_all          82.46 70.61 1.22  4.97  9.44 2.5
table1 seg_lsf_dtc_all      82.80 71.05 1.45  4.67  9.44 2.5
labels16 ua_mt_16   88.88 80.21 2.26  7.32
labels16 sassnet_16 89.54 81.24 2.20  8.24
labels16 dtc_16     89.42 80.98 2.10  7.32
labels8 ua_mt_8     84.25 73.48 3.36 13.84
labels8 sassnet_8   87.32 77.72 2.55  9.62
labels8 dtc_8       87.51 78.17 2.36  8.23
"""

#: Dice per case, Dice global, VOE, RVD, ASSD, RMSD; Table 2: cyst, FNH, HCC, HEM, METS, average;
#: gains of Dice per case over what stands before the bar.
SAM_URIM = """
table1 mc_fcn    51.80 71.63 59.30 -5.92 27.26 30.45
table1 mw_unet   73.37 86.34 37.10 10.11 10.73 18.16
table1 pa_resseg 77.26 86.21 33.46  4.46  3.71  7.82
table1 sam_urim  80.12 86.51 30.08 -5.28  2.81  5.47
table1_fusion ilf      73.19 83.13 37.6  -17.69 14.2 18.15
table1_fusion dlf      75.87 85.36 35.14  -5.73 4.45  9.51
table1_fusion mw       77.39 85.52 33.07   5.43 6.31  8.89
table1_fusion pa       78.24 86.29 32.46   6.01 3.39  6.90
table1_fusion sam_urim 80.12 86.51 30.08  -5.28 2.81  5.47
table2 mc_fcn    67.82 21.58 46.98 51.59 61.07 51.80
table2 mw_unet   83.07 64.18 64.80 71.42 79.35 73.37
table2 pa_resseg 85.70 73.13 71.89 74.63 79.64 77.26
table2 sam_urim  90.87 66.08 79.11 75.42 83.27 80.12
table3 single_phase 68.85 83.31 40.07 -19.22 21.53 27.73
table3 multi_phase  75.31 85.13 35.97  -5.89  5.00 10.05
table3 sam          79.10 86.12 31.22  -5.51  3.44  6.46
table3 sam_urim     80.12 86.51 30.08  -5.28  2.81  5.47
gains single_phase.venous|multi_phase 6.46
gains multi_phase|sam                 3.79
gains sam|sam_urim                    1.02
gains unet_add|unet_sam_urim          5.28
gains resnet50_add|resnet50_sam_urim  4.50
gains multi_phase|sam_urim            4.81
"""


@pytest.mark.parametrize(("paper", "printed"), [("dtc", DTC), ("sam_urim", SAM_URIM)])
def test_every_digit_is_that_of_the_paper(paper, printed):
    found = defaultdict(list)
    for key, value in read_published(paper).items():
        method = f"{key.minus}|{key.method}" if key.minus else key.method
        found[key.table, method].append(value.mean)
    of_paper = {
        (table, method): [float(number) for number in numbers]
        for table, method, *numbers in map(str.split, printed.strip().splitlines())
    }
    assert found == of_paper


def test_the_gains_in_the_text_are_the_differences_of_table_3():
    dice = {
        key.method: value.mean
        for key, value in read_published("sam_urim").items()
        if (key.table, key.metric) == ("table3", "dice")
    }
    gains = {
        (key.minus.partition(".")[0], key.method): value.mean
        for key, value in read_published("sam_urim").items()
        if key.table == "gains"
    }
    steps = ["single_phase", "multi_phase", "sam", "sam_urim"]
    for before, after in [*pairwise(steps), ("multi_phase", "sam_urim")]:
        assert gains[before, after] == pytest.approx(dice[after] - dice[before])
