"""Two processes that train the same model in the same folders, as after a lost node."""

import subprocess
import sys

from remodal.results.files import read_json

from .test_loop import command, contents


def test_two_trainings_of_one_model_at_once_end_in_the_model_of_one(tmp_path, make_study):
    study = make_study(tmp_path, epochs=4, checkpoint_every=1)
    run = [sys.executable, "-m", "remodal", *command(study, "twice")]
    both = [subprocess.Popen(run, stderr=subprocess.PIPE) for _ in range(2)]
    for process in both:
        _, said = process.communicate(timeout=300)
        assert process.returncode == 0, said
    assert contents(study.folder / "twice") == contents(study.train(output="once"))
    assert read_json(study.folder / "checkpoints-twice" / "progress.json")["epoch"] == 4
    left = [file.name for file in tmp_path.rglob(".writing-*")]
    assert not left
