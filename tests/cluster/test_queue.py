"""What `remodal status` shows of Slurm's queue."""

from remodal.cluster.queue import describe_queue, queue_lines

RUN = "remodal_0b1f6f6e-1f55-4a39-8f0a-6a7a3f3f9a10"

#: As squeue writes them: number, state, reason, comment, partition, time left, name, folder.
QUEUE = """\
12|RUNNING|None|rule_train_wildcards_liver-paper_maml_0_0|gpu|1-03:20:00|{run}|{folder}
13|PENDING|PartitionTimeLimit|rule_train_wildcards_liver-paper_nnunet_0_0|gpu|2-00:00:00|{run}|{folder}
14|PENDING|PartitionTimeLimit|rule_train_wildcards_liver-paper_ms_ma_0_0|gpu|2-00:00:00|{run}|{folder}
15|PENDING|Priority|group_preparation_wildcards_a_b|cpu|1:00:00|{run}|{folder}
16|PENDING|Priority|group_preparation|cpu|1:00:00|{run}|/somewhere/else
17|RUNNING|None||cpu|1:00:00|somebody|{folder}
"""


def squeue(tmp_path, monkeypatch, said: str, code: int = 0) -> None:
    (tmp_path / "said").write_text(said)
    program = tmp_path / "squeue"
    program.write_text(f"#!/bin/sh\ncat {tmp_path}/said\nexit {code}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")


def test_the_folders_own_jobs_are_shown_with_state_and_reason(tmp_path, monkeypatch):
    squeue(tmp_path, monkeypatch, QUEUE.format(run=RUN, folder=tmp_path))
    assert queue_lines(tmp_path) == [
        "Slurm: 1 train RUNNING (12)",
        "Slurm: 2 train PENDING: PartitionTimeLimit (13, 14); it may wait for ever: "
        "see `remodal plan`",
        "Slurm: 1 preparation PENDING: Priority (15)",
    ]


def test_without_a_slurm_that_answers_nothing_is_said(tmp_path, monkeypatch):
    squeue(tmp_path, monkeypatch, "", code=1)
    assert queue_lines(tmp_path) == []
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    assert queue_lines(tmp_path) == []


def test_no_jobs_no_lines():
    assert describe_queue([]) == []
