"""`snakemake --profile slurm` on a cluster with accounting."""

import pytest

from tests.cluster.accounting import ACCOUNT, Accounting, why_not
from tests.cluster.troubles import RULES, TWO_IN_TURN, run_in_trouble
from tests.workspace import ROOT

# Slow: a minute more than the default tests, and a database to install.
pytestmark = [pytest.mark.xdist_group("workflow"), pytest.mark.slow]

SNAKEFILE = """
rule all:
    input: "hungry.txt", "moved.txt"
"""


@pytest.fixture(scope="module")
def accounting(slurm):
    """The cluster with accounts; skipped with a reason if it cannot be started."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    with Accounting(slurm) as accounts:
        yield accounts


def with_account(study) -> None:
    """Give a folder a profile that names an account."""
    (study.folder / "slurm").unlink()
    (study.folder / "slurm").mkdir()
    profile = (ROOT / "slurm/profile.yaml").read_text()
    edited = profile.replace("# slurm_account: lab", f"slurm_account: {ACCOUNT}")
    assert edited != profile
    (study.folder / "slurm/profile.yaml").write_text(edited)


@pytest.fixture(scope="module")
def troubled(slurm, accounting, toy):
    """The folder in which everything was made despite all troubles; the accounts of two jobs."""
    study = toy(SNAKEFILE + RULES)
    with_account(study)
    jobs = run_in_trouble(slurm, study)
    return study.folder, accounting.starts(jobs["cancelled"]), accounting.starts(jobs["moved"])


def test_a_cancelled_job_is_tried_again(troubled):
    folder, ((state, account),), _ = troubled
    assert (state.split()[0], account) == ("CANCELLED", ACCOUNT)
    assert (folder / "cancelled.begun").read_text() == "begins\n" * 2
    assert (folder / "cancelled.txt").read_text() == "400M,1:00:00\n"


def test_a_job_out_of_memory_is_tried_again_with_more(troubled):
    folder, *_ = troubled
    assert (folder / "hungry.txt").read_text() == "1000M,1:00:00\n"


def test_a_job_of_a_lost_node_runs_on_another_under_its_number(troubled):
    folder, _, starts = troubled
    assert [state for state, _ in starts] == ["NODE_FAIL", "COMPLETED"]
    assert (folder / "moved.begun").read_text().split() == ["n2", "n1"]
    assert (folder / "moved.txt").read_text() == "done\n"


def test_a_run_goes_on_while_the_accounting_is_away(slurm, accounting, toy):
    study = toy(TWO_IN_TURN)
    with_account(study)
    run = study.snakemake()
    study.wait_for((study.folder / "first.begun").exists)
    accounting.stop_slurmdbd()
    try:
        (study.folder / "let-go").touch()  # one job ends meanwhile, the next is submitted
        study.finish(run)
    finally:
        accounting.start_slurmdbd()
    assert (study.folder / "second.txt").exists()
