"""Time left of a run."""

import pytest

from remodal.results.files import write_json
from remodal.run.pace import USUAL, Job, Pace


def test_what_is_left_is_shared_out_over_the_cores():
    pace = Pace({"register": 10, "all": 1}, cores=2)
    for number in range(4):
        pace.begin(number, Job("register", began=0.0))
        pace.end(number, now=20.0)
    assert pace.seconds_left(now=20.0) == (pytest.approx(6 * 20 / 2), False)
    pace.begin(4, Job("register", began=20.0))
    assert pace.seconds_left(now=25.0)[0] == pytest.approx((5 * 20 + 15) / 2)


def test_a_stage_that_has_not_begun_takes_as_much_longer_as_the_others_did():
    pace = Pace({"register": 1, "infer": 4}, cores=1)
    pace.begin(0, Job("register", began=0.0))
    pace.end(0, now=3 * USUAL["register"])
    assert pace.seconds_left(now=0.0)[0] == pytest.approx(4 * 3 * USUAL["infer"])


def test_the_longest_job_is_waited_for():
    pace = Pace({"report": 1}, cores=16)
    pace.begin(0, Job("report", began=0.0, threads=1))
    assert pace.seconds_left(now=5.0)[0] == pytest.approx(USUAL["report"] - 5)


def test_a_job_that_takes_longer_than_the_others_has_nothing_left_to_say():
    pace = Pace({"report": 1}, cores=1)
    pace.begin(0, Job("report", began=0.0))
    assert pace.seconds_left(now=1e6) == (0.0, False)


def test_trainings_are_known_by_their_first_epoch(tmp_path):
    pace = Pace({"train": 3}, cores=4)
    assert pace.seconds_left(now=0.0) == (0.0, True)
    pace.begin(0, Job("train", began=0.0, threads=4, progress=tmp_path / "progress.json"))
    assert pace.seconds_left(now=100.0) == (0.0, True)
    write_json(tmp_path / "progress.json", {"epoch": 1, "epochs": 10, "seconds_per_epoch": 100.0})
    assert pace.seconds_left(now=100.0) == (pytest.approx(900 + 2 * 1000), False)


def test_on_a_cluster_what_runs_now_goes_on_side_by_side():
    pace = Pace({"train": 4}, cores=None)
    pace.taken["train"] = [100.0]
    for number in (1, 2):
        pace.begin(number, Job("train", began=0.0, threads=8))
    assert pace.seconds_left(now=0.0) == (pytest.approx(3 * 100 * 8 / 16), True)


def test_a_failed_job_is_to_do_again():
    pace = Pace({"convert": 2}, cores=1)
    pace.begin(0, Job("convert", began=0.0))
    pace.fail(0)
    assert pace.done("convert") == 0
    assert not pace.running
