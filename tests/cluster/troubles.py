"""Stand-in jobs, and what may happen to them: too little memory, a cancellation, a lost node."""

from tests.cluster.conftest import Submitter
from tests.cluster.slurm import Slurm

#: Each notes what it was granted in the end: memory and time limit. `hungry` needs more than its
#: first 500 MB; `moved` begins when the others no longer use its node,
#: and its first attempt, on the node that is lost, ends after its second one.
RULES = """
rule hungry:
    output: "hungry.txt"
    resources: mem_mb=500
    shell:
        "python -c 'import time; taken = bytearray(600 << 20); time.sleep(4)';"
        " squeue --noheader --jobs=$SLURM_JOB_ID --format=%m,%l > {output}"

rule cancelled:
    output: "cancelled.txt"
    resources: mem_mb=400
    shell:
        "echo begins >> cancelled.begun; until test -e cancelled.go; do sleep 0.2; done;"
        " squeue --noheader --jobs=$SLURM_JOB_ID --format=%m,%l > {output}"

rule moved:
    input: "hungry.txt", "cancelled.txt"
    output: "moved.txt"
    shell:
        "echo $SLURMD_NODENAME >> moved.begun; test $(wc -l < moved.begun) -gt 1 ||"
        " until test -e {output}; do sleep 0.2; done; echo done > {output}"
"""

#: `first` ends when the test lets it, `second` needs it.
TWO_IN_TURN = """
rule all:
    input: "second.txt"

rule first:
    output: "first.txt"
    log: "first.log"
    shell: "echo begins >> first.begun; until test -e let-go; do sleep 0.2; done; touch {output}"

rule second:
    input: "first.txt"
    output: "second.txt"
    log: "second.log"
    shell: "echo done > {output}"
"""


def run_in_trouble(slurm: Slurm, study: Submitter) -> dict[str, str]:
    """Run a study with these rules, cancel `cancelled`, and take the node away from `moved`.

    Returns:
        The numbers of these two jobs, by rule.
    """
    run = study.snakemake()
    study.wait_for(lambda: (study.folder / "cancelled.begun").exists())
    cancelled = slurm.running("rule_cancelled")["id"]
    slurm.cancel(cancelled)
    (study.folder / "cancelled.go").touch()
    moved = slurm.running("rule_moved")
    study.wait_for(lambda: (study.folder / "moved.begun").exists())
    slurm.kill_node(moved["node"])
    try:
        slurm.start_requeued(moved["id"])
        study.finish(run)
    finally:
        slurm.start_node(moved["node"])
    return {"cancelled": cancelled, "moved": moved["id"]}
