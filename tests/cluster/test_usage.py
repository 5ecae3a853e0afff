"""What jobs asked of the cluster and what they used, for the report."""

from pathlib import Path

from remodal.cluster.usage import Ended, Use, home_of, note, uses


def test_what_was_asked_is_set_against_what_was_used(tmp_path):
    study = tmp_path / "results/studies/liver-paper"
    note(study, Ended("train", "train", 32000, 2880, 60.0, 3600.0))
    note(study, Ended("train", "train", 64000, 2880, 180.0, 7200.0))
    note(study, Ended("conclusion", "tabulate,report", 4000, 60, "", ""))  # Slurm has forgotten it
    for name, megabytes in (("a", "11000.5"), ("b", "-")):
        file = study / f"benchmarks/train/{name}.tsv"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"s\th:m:s\tmax_rss\n5.0\t0:00:05\t{megabytes}\n")
    assert uses([tmp_path / "results/data/none", study]) == [
        Use("train", 2, (120.0, 180.0), (64000.0, 11000.5), (2880.0, 120.0)),
        Use("conclusion", 1, None, (4000.0, None), (60.0, None)),
    ]


def test_a_job_belongs_to_the_study_or_data_set_of_its_outputs():
    output = Path("results/studies/liver-paper/models/maml/fold0-seed0/model.json")
    assert home_of([output]) == Path("results/studies/liver-paper")
    assert home_of([Path("results/data/phantom/converted/a/b.json")]) == Path(
        "results/data/phantom"
    )
    assert home_of([Path("first.txt")]) is None
