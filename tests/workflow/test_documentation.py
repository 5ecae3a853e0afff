"""Every command of the README and of docs/ runs, where the docs say it runs."""

import re
import runpy
import shutil

import pytest
import torch
import yaml

from remodal.intake.datasets import sources
from remodal.report.published import read_published
from remodal.settings.composition import compose
from remodal.settings.data import DataSettings
from tests.workspace import ROOT

pytestmark = pytest.mark.xdist_group("workflow")

#: test_own_data.py runs this page from its first line to its last.
WALKED = ROOT / "docs/own-data.md"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
#: Commands that another run covers: CI is `make test`, the demos are timed by hand.
DRY = {"make demo": "make -n demo", "make test": "make -n test"}


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def commands():
    """(page, command) of every line of every shell block."""
    for page in PAGES:
        for block in blocks(page, "sh") if page != WALKED else ():
            for line in block.splitlines():
                command = line.partition("  #")[0].strip()
                if command:
                    yield pytest.param(page.name, command, id=f"{page.stem}: {command[:40]}")


@pytest.fixture(scope="module")
def study_and_download(smoke_study):
    """The smoke study, and beside it a folder that the docs call a collection's download."""
    patient = smoke_study.folder / "results/data/phantom-smoke/scans/patient001"
    shutil.copytree(patient, smoke_study.folder / "HCC-TACE-Seg/patient001", dirs_exist_ok=True)
    return smoke_study


@pytest.mark.parametrize(("page", "command"), list(commands()))
def test_the_command_runs_as_written(study_and_download, page, command):
    study_and_download.run("bash", "-c", DRY.get(command, command))


def test_a_patient_is_segmented_from_both_phases_and_from_one(smoke_study):
    import SimpleITK as sitk

    series = smoke_study.folder / "results/data/phantom-smoke/scans/patient001/venous"
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(series)))
    scan = reader.Execute()
    model = "results/studies/liver-smoke/models/maml/fold0-seed0"
    phases = "results/data/phantom-smoke/scans/patient001/{}".format
    both = ["--arterial", phases("arterial"), "--venous", phases("venous")]
    for name, options in {"both": both, "venous": both[2:]}.items():
        smoke_study.run("remodal", "predict", "--model", model, *options, "-o", f"{name}.nii.gz")
        segmentation = sitk.ReadImage(str(smoke_study.folder / f"{name}.nii.gz"))
        assert segmentation.GetSize() == scan.GetSize()
        assert segmentation.GetSpacing() == pytest.approx(scan.GetSpacing(), abs=1e-4)
        assert segmentation.GetOrigin() == pytest.approx(scan.GetOrigin(), abs=1e-3)
        assert segmentation.GetDirection() == pytest.approx(scan.GetDirection(), abs=1e-5)


def documented_method(tmp_path, number):
    """The class of the page's first or second whole method."""
    file = tmp_path / f"method{number}.py"
    file.write_text(blocks(ROOT / "docs/add-a-method.md", "python")[number])
    return runpy.run_path(str(file))["METHOD"]


def test_the_example_of_a_method_is_a_working_method(tmp_path):
    from remodal.objectives.batch import Batch, Step
    from remodal.settings import NetworkSettings

    method_class = documented_method(tmp_path, 0)
    network = NetworkSettings(base_width=4, max_width=8, strides=[(2, 2, 2)])
    method = method_class(["arterial", "venous"], 1, network, method_class.Options())
    images = {name: torch.randn(1, 1, 8, 8, 8) for name in ("arterial", "venous")}
    label = {"venous": torch.zeros(1, 8, 8, 8, dtype=torch.int64)}
    batch = Batch(images, label, torch.ones(1, dtype=torch.bool))
    losses = method.objective(batch, Step(epoch=0, iteration=0, epochs=1, iterations=1))
    losses["loss"].backward()
    assert set(losses) == {"loss", "arterial", "venous"}
    with torch.no_grad():
        probabilities = method.probabilities({"venous": images["venous"]})
    torch.testing.assert_close(probabilities.sum(1), torch.ones(1, 8, 8, 8))


def test_the_example_of_a_teacher_is_a_working_method(tmp_path):
    from remodal.objectives.batch import Batch, Step
    from remodal.settings import NetworkSettings

    method_class = documented_method(tmp_path, 1)
    network = NetworkSettings(base_width=4, max_width=8, strides=[(2, 2, 2)])
    method = method_class(["venous"], 1, network, method_class.Options())
    method.companions = method.build_companions(network)
    image, label = torch.randn(1, 1, 8, 8, 8), torch.zeros(1, 8, 8, 8, dtype=torch.int64)
    batch = Batch({"venous": image}, {"venous": label}, torch.ones(1, dtype=torch.bool))
    step = Step(epoch=1, iteration=0, epochs=2, iterations=3)
    losses = method.objective(batch, step)
    losses["loss"].backward()
    assert losses["consistency"] == 0  # the teacher is still the network
    next(method.network.parameters()).data.add_(1.0)
    method.after_step(step)
    assert method.objective(batch, step)["consistency"] > 0


def test_the_studies_of_brats_that_the_docs_describe_are_valid(tmp_path):
    from remodal.settings.composition import compose

    page = ROOT / "docs/add-a-data-set.md"
    year, split = (block for block in blocks(page, "yaml") if "brats" in block)
    shutil.copytree(ROOT / "config", tmp_path / "config")
    (tmp_path / "config/studies/year.yaml").write_text(year)
    (tmp_path / "config/studies/split.yaml").write_text(f"extends: brats\n{split}")
    made = [
        compose({"study": name, "preset": "paper"}, tmp_path / "config")
        for name in ("year", "split")
    ]
    assert (made[0].data.source, made[0].data_id) == ("brats", "brats_2023")
    assert (ROOT / made[1].splits.file).is_file()
    assert made[1].splits.fold_count == 3


def test_the_study_of_the_published_list_of_pancreas_ct_is_valid(tmp_path):
    from remodal.settings.composition import compose

    page = ROOT / "docs/add-a-data-set.md"
    (study,) = (block for block in blocks(page, "yaml") if "pancreas_nih" in block)
    shutil.copytree(ROOT / "config", tmp_path / "config")
    (tmp_path / "config/studies/published.yaml").write_text(study)
    made = compose({"study": "published", "preset": "paper"}, tmp_path / "config")
    assert (made.data.source, made.data.simulated) == ("pancreas_ct", False)
    assert made.data_id == "pancreas_82"
    assert (made.splits.scheme, made.splits.file.name) == ("file", "pancreas_ct_mcnet.json")
    assert (ROOT / made.splits.file).is_file()


def test_the_two_studies_of_lesions_in_livers_of_ones_own_are_valid(tmp_path):
    from remodal.run.needed import needed_studies
    from remodal.settings.composition import compose

    page = ROOT / "docs/add-a-data-set.md"
    (both,) = (block for block in blocks(page, "yaml") if "our_region.yaml" in block)
    config = shutil.copytree(ROOT / "config", tmp_path / "config")
    for study in both.split("---\n"):
        name = study.splitlines()[0].removeprefix("# config/studies/")
        (config / "studies" / name).write_text(study)
    lesions = compose({"study": "our_lesions", "preset": "paper"}, config)
    assert lesions.data_id == "our_lesions"
    assert list(needed_studies(lesions, config)) == ["our_region-paper"]


def test_the_data_sets_that_the_docs_describe_are_valid():
    """Each is a section of a study, for a source that exists; one is of the page's own source."""
    parts = [yaml.safe_load_all(block) for block in blocks(ROOT / "docs/add-a-data-set.md", "yaml")]
    described = [one for part in parts for one in part]
    found = [
        DataSettings.model_validate(one["data"])
        for one in described
        if "extends" not in one and {"source", "classes"} <= set(one.get("data", ()))
    ]
    named = {data.source for data in found}
    assert {"left_atrium", "msd", "chaos"} <= named <= {*sources(), "prostates"}


def test_the_example_of_a_data_source_reads_such_a_folder(tmp_path):
    from remodal.settings.composition import compose

    page = ROOT / "docs/add-a-data-set.md"
    (source,) = blocks(page, "python")
    (tmp_path / "prostates.py").write_text(source)
    (study,) = (block for block in blocks(page, "yaml") if "source: prostates" in block)
    shutil.copytree(ROOT / "config", tmp_path / "config")
    (tmp_path / "config/studies/zones.yaml").write_text(study.replace("/data", str(tmp_path)))
    settings = compose({"study": "zones", "preset": "smoke"}, tmp_path / "config")
    names = {
        "raw/subj-01_visit2": ["T2.mha", "DWI.mha", "ADC.mha"],
        "raw/subj-02_visit1": ["DWI.mha", "T2.mha"],
        "raw/subj-03_visit1": [],
        "annotations": ["01_2.nii.gz", "02_1.nii.gz"],
    }
    for folder, files in names.items():
        (tmp_path / "prostates" / folder).mkdir(parents=True)
        for name in files:
            (tmp_path / "prostates" / folder / name).touch()
    found = runpy.run_path(str(tmp_path / "prostates.py"))["cases"](settings)
    assert [(one.case, one.patient) for one in found] == [
        *(("s01v2", "s01"), ("s02v1", "s02"), ("s03v1", "s03"))
    ]
    assert [list(one.images) for one in found] == [
        *(["t2", "dwi", "adc"], ["t2", "dwi"], ["t2", "dwi", "adc"])
    ]
    assert [list(one.labels) for one in found] == [["t2"], ["t2"], []]


def test_every_link_between_the_pages_leads_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize("study", ["liver", "brats", "pancreas", "left_atrium", "mpct_fll", "t1t2"])
def test_the_readme_names_every_row_of_every_paper_and_where_its_results_lie(study):
    """Those of the tables for which the paper has numbers."""
    settings = compose({"study": study, "preset": "paper"}, ROOT / "config")
    printed = {table for table, *_ in read_published(settings.published, ROOT / "config/published")}
    section = (ROOT / "README.md").read_text().partition("## What can be reproduced")[2]
    systems = section.partition("Class A would")[0]
    rows = [row for name, one in settings.tables.items() if name in printed for row in one.rows]
    labels = {row.label or settings.methods[row.method].label for row in rows}
    assert labels
    assert not {label for label in labels if label not in systems}
    for kept in (ROOT / "docs/results").glob(f"{study}-*"):
        assert f"({kept.relative_to(ROOT)}/README.md)" in systems
