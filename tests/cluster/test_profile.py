"""`snakemake --profile slurm`, planned only: what would be submitted, and with which requests."""

import re

#: The whole study: 654 volumes of 327 patients, five folds.
STUDY = ("--config", "preset=paper", "splits={scheme: kfold, folds: 5}")


def planned(workspace, *arguments: str) -> str:
    said = workspace.run("snakemake", "--profile", "slurm", "--dry-run", *arguments)
    return said.stdout + said.stderr


def test_the_whole_preparation_is_a_few_dozen_submissions(workspace):
    said = planned(workspace, "prepared", *STUDY)
    jobs = {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", said, re.MULTILINE)}
    assert (jobs["convert"], jobs["register"]) == (654, 327)
    groups = re.findall(r"Group job (\w+)", said)
    alone = re.findall(r"^rule (?!prepared|split|inventory)(\w+):", said, re.MULTILINE)
    assert set(groups) == {"preparation", "preprocessing"}  # split and inventory are not submitted
    assert set(alone) == {"fingerprint"}
    assert len(groups) + len(alone) == 33  # as docs/gpu-and-cluster.md says


def test_a_training_asks_for_its_gpus_on_one_node_in_a_job_of_its_own(workspace):
    model = "results/studies/liver-smoke/models/nnunet/fold0-seed0/model.safetensors"
    training = "compute={device: auto, devices: 2}"
    said = planned(workspace, model, "--config", "preset=smoke", training)
    (request,) = re.findall(r"^rule train:.*?resources: (.*?)$", said, re.MULTILINE | re.DOTALL)
    asked = dict(part.split("=", 1) for part in request.split(", "))
    assert (asked["gpu"], asked["nodes"], asked["slurm_partition"]) == ("2", "1", "gpu")


def test_what_is_set_in_the_profile_is_set_nowhere_else(workspace):
    files = list((workspace.folder / "workflow/rules").glob("*.smk"))
    assert files
    for rules in files:
        assert not re.search(r"mem_mb|runtime|slurm_|retries: [1-9]", rules.read_text()), rules
    default = (workspace.folder / "workflow/profiles/default/profile.yaml").read_text()
    ours = (workspace.folder / "slurm/profile.yaml").read_text()
    top = [set(re.findall(r"^([a-z-]+):", text, re.MULTILINE)) for text in (default, ours)]
    assert not top[0] & top[1]  # the default profile would win
