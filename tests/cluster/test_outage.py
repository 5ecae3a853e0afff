"""Slurm's controller is away while jobs run, end, and want to be submitted."""

import signal
import time

import pytest

from tests.cluster.troubles import TWO_IN_TURN

pytestmark = [pytest.mark.xdist_group("workflow"), pytest.mark.slow]

#: Longer than all attempts in one round of questions.
AWAY = 150


@pytest.fixture
def at_work(slurm, toy):
    """A study whose first job is at work."""
    study = toy(TWO_IN_TURN)
    run = study.snakemake()
    study.wait_for((study.folder / "first.begun").exists)
    return study, run


def test_a_run_goes_on_after_the_controller_was_away(slurm, at_work):
    study, run = at_work
    slurm.stop_controller()
    try:
        study.wait_for(lambda: "Slurm does not answer" in said(study))
        (study.folder / "let-go").touch()  # it ends meanwhile
        time.sleep(AWAY)
        assert run.poll() is None
    finally:
        slurm.start_controller()
    study.finish(run)
    assert "Slurm answers again" in said(study)
    assert (study.folder / "first.begun").read_text() == "begins\n"
    assert not slurm.jobs()


def test_after_ctrl_c_during_an_outage_one_command_goes_on(slurm, at_work):
    study, run = at_work
    slurm.stop_controller()
    try:
        study.wait_for(lambda: "Slurm does not answer" in said(study))
        run.send_signal(signal.SIGINT)
        run.wait(1800)
        assert "so its jobs run on" in said(study)
    finally:
        slurm.start_controller()
    assert len(slurm.jobs()) == 1
    (study.folder / "let-go").touch()
    study.finish(study.start("remodal", "resume", "--profile", "slurm"))
    assert not slurm.jobs()


def said(study) -> str:
    """What its Snakemakes have said."""
    return (study.folder / "said.log").read_text()
