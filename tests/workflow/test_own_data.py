"""docs/own-data.md followed word for word, on scans of all formats and orientations, and bad ones.

The sheet and the commands are the page's. Below the page's lines, the sheet gets one bad
case for each stage that finds bad cases (test_bad_input.py has all kinds), and one case on which a
stage of ours raises.
"""

import csv
import locale
import re
import shutil
from types import SimpleNamespace

import numpy as np
import pydicom.uid
import pytest
import SimpleITK as sitk

from remodal.errors import EnvironmentProblem
from remodal.results.files import read_json
from remodal.viewer.bundle import bundle
from tests.prediction.orthanc import PROGRAMS, running
from tests.workflow.test_bad_input import (
    body,
    constant_image,
    good_case,
    image,
    label_on_another_grid,
    label_without_tumour,
    path_that_is_not_there,
    tumour,
)
from tests.workflow.test_documentation import WALKED, blocks
from tests.workspace import Workspace

pytestmark = pytest.mark.xdist_group("own data")

STUDY = "results/studies/our_liver-smoke"
TILT = (1.0, 0.0, 0.0, 0.0, np.cos(0.3), -np.sin(0.3), 0.0, np.sin(0.3), np.cos(0.3))
#: How the arterial and the venous image of a case are oriented in their files.
ORIENTED = {"c001": ("RAS", "RAS"), "c002": ("RAS", "LPS"), "c003": ("LAS", "LAS")}
ORIENTED |= {"c004": ("oblique", "oblique"), "c005": ("", "PIR")}
BAD = (path_that_is_not_there, constant_image, label_on_another_grid, label_without_tumour)
FAULTY = "faulty"


def oriented(made, name):
    """The same image in the patient with other axes, or the patient lying askew."""
    if name == "oblique":
        made.SetDirection(TILT)
        return made
    return sitk.DICOMOrient(made, name)


def write_scan(made, path):
    if path.suffix:
        path.parent.mkdir(parents=True, exist_ok=True)
        sitk.WriteImage(made, str(path))
        return
    path.mkdir(parents=True)
    study, series, frame = (pydicom.uid.generate_uid() for _ in range(3))
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    for number in range(made.GetDepth()):
        plane = made[:, :, number]
        place = made.TransformIndexToPhysicalPoint((0, 0, number))
        values = {
            "0008|0060": "CT",
            "0008|103e": path.name,
            "0020|000d": study,
            "0020|000e": series,
            "0020|0052": frame,
            "0020|0013": str(number),
            "0020|0032": "\\".join(f"{value:.9g}" for value in place),
            "0020|0037": "\\".join(f"{made.GetDirection()[n]:.9g}" for n in (0, 3, 6, 1, 4, 7)),
        }
        for tag, value in values.items():
            plane.SetMetaData(tag, value)
        writer.SetFileName(str(path / f"{number}.dcm"))
        writer.Execute(plane)
    locale.setlocale(locale.LC_ALL, "")  # ITK's DICOM writer leaves the process in another one


def write_scans(folder, rows):
    """The images and masks that lines of a sheet name."""
    for row in rows:
        seed = sum(map(ord, row["case"]))
        which = ("arterial", "venous").index(row["modality"])
        orientation = ORIENTED[row["case"]][which]
        write_scan(oriented(image(body(seed)), orientation), folder / row["path"])
        if row["label"]:
            write_scan(oriented(image(tumour()), orientation), folder / row["label"])


def two_lines(case):
    """A case's lines, its tumour drawn on the venous image."""
    label = f"scans/{case}/label.nii.gz"
    return [
        {"case": case, "modality": "arterial", "path": f"scans/{case}/arterial.nii.gz"},
        {"case": case, "modality": "venous", "path": f"scans/{case}/venous.nii.gz", "label": label},
    ]


def write_sheet(folder, name, of_page):
    """The page's sheet with more cases below, and everything that it names."""
    rows = list(csv.DictReader(of_page, dialect="excel-tab"))
    write_scans(folder, rows)
    shutil.copytree(folder / "scans/c004", folder / "export")
    extra = []
    for seed, spoil in enumerate(BAD):
        good_case(folder / "scans" / spoil.__name__, seed)
        spoil(folder / "scans" / spoil.__name__)
        extra += two_lines(spoil.__name__)
    good_case(folder / "scans" / FAULTY, seed=100)
    extra += two_lines(FAULTY)
    with open(folder / name, "w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, rows[0], restval="", dialect="excel-tab")
        table.writeheader()
        table.writerows([*rows, *extra])


@pytest.fixture(scope="module")
def pacs(tmp_path_factory):
    """A PACS; None where its programs are not installed."""
    if any(map(lacks, PROGRAMS)):
        yield None
        return
    with running(tmp_path_factory.mktemp("orthanc")) as server:
        yield server


def lacks(program):
    return shutil.which(program) is None


@pytest.fixture(scope="module")
def walk(tmp_path_factory, pacs):
    """The workspace after the page's last command, and what each command said, by its beginning.

    Only the port of the PACS is another one, and without a PACS nothing is sent there.
    """
    workspace = Workspace(tmp_path_factory.mktemp("own-data"))
    sheet = blocks(WALKED, "tsv")[0]
    name, *lines = sheet.splitlines()
    write_sheet(workspace.folder, name.removeprefix("# "), lines)
    workspace.break_stage("register", FAULTY, "remodal.registration.case:draw_pairs")
    said = {}
    for command in "".join(blocks(WALKED, "sh")).splitlines():
        if command.startswith("storescu"):
            if pacs is None:
                continue
            pacs.store(*(workspace.folder / "scans/c004/venous").iterdir())
            assert " 4242 " in command
            command = command.replace(" 4242 ", f" {pacs.dicom_port} ")
        output = command.partition(" -o ")[2].partition(" ")[0]
        done = workspace.run("bash", "-c", command, check=False)
        said[f"predict {output}" if "predict" in command else " ".join(command.split()[:2])] = done
    return SimpleNamespace(folder=workspace.folder, workspace=workspace, said=said)


def code_of_view():
    """What `remodal view` ends with here: it needs NiiVue, which npm may be unable to fetch."""
    try:
        bundle()
    except EnvironmentProblem as error:
        return error.exit_code
    return 0


def test_every_command_of_the_page_does_what_it_says(walk, pacs):
    codes = {name: done.returncode for name, done in walk.said.items()}
    assert codes == {
        "remodal scan": 0,
        "remodal init": 0,
        "remodal settings": 0,
        "remodal check": 3,  # not every file can be used
        "remodal index": 0,
        "snakemake --cores": 1,  # a fault of ours is to be reported
        "remodal view": code_of_view(),
        "predict both.nii.gz": 0,
        "predict venous-only.nii.gz": 0,
        "predict c004.dcm": 0,
        "predict predicted": 3,  # not every case can be used
        **({"storescu -R": 0} if pacs else {}),
    }, walk.said["snakemake --cores"].stderr[-3000:]
    for done in walk.said.values():
        assert "Traceback" not in done.stdout + done.stderr


def test_the_check_lists_what_opens_and_names_what_does_not(walk):
    done = walk.said["remodal check"]
    for row in ("c001, arterial: image file, 40 x 40 x 20", "c004, venous: DICOM series, 40 x 40"):
        assert row in done.stdout
    bad = [line.strip() for line in done.stderr.splitlines() if line.startswith("  ")]
    assert "path_that_is_not_there, venous: there is no such file or folder" in "\n".join(bad)


def test_good_cases_are_used_however_they_lie_and_bad_ones_are_quarantined(walk):
    splits = read_json(walk.folder / STUDY / "splits.json")
    bad = {spoil.__name__ for spoil in BAD}
    assert set(splits["quarantined"]) == bad | {FAULTY}
    assert set(splits["patients"]) == set(ORIENTED)
    assert splits["modalities"]["c005"] == ["venous"]


def test_the_report_lists_the_bad_cases_and_the_fault(walk):
    page = (walk.folder / STUDY / "report/index.html").read_text(encoding="utf-8")
    listed = page[page.index("Quarantined cases") :]
    assert "A fault of ours is no fault of the scan: please report it" in listed
    for case in (*(spoil.__name__ for spoil in BAD), FAULTY):
        assert f'<th scope="row">{case}</th>' in listed
    assert "a fault of ours (ZeroDivisionError)" in listed
    assert "secret" not in page


def test_the_run_ends_with_the_fault_and_its_log_and_does_so_until_it_is_gone(walk):
    first = walk.said["snakemake --cores"]
    (command,) = [
        line for line in "".join(blocks(WALKED, "sh")).splitlines() if "snakemake" in line
    ]
    planned = walk.workspace.run("bash", "-c", f"{command} --dry-run")
    again = walk.workspace.run("bash", "-c", command, check=False)
    for done in (first, again):
        said = done.stdout + done.stderr
        assert done.returncode == 1
        assert "1 case met a fault of ours" in said
        (log,) = set(re.findall(rf"  {FAULTY}, register: .*: (\S+\.log)$", said, re.MULTILINE))
        assert "ZeroDivisionError: secret" in (walk.folder / log).read_text()
    counted = re.findall(r"^(\w+) +(\d+)$", planned.stdout + planned.stderr, re.MULTILINE)
    assert dict(counted) == {"faults": "1", "all": "1", "total": "2"}
    assert (walk.folder / STUDY / "report/index.html").is_file()


def test_predictions_lie_on_the_scans_that_they_were_made_from(walk):
    reader = sitk.ImageSeriesReader()
    series = str(walk.folder / "scans/c004/venous")
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(series))
    scans = {"both": reader.Execute()}
    scans["venous-only"] = sitk.ReadImage(str(walk.folder / "scans/c001/venous.nii.gz"))
    for name, scan in scans.items():
        segmentation = sitk.ReadImage(str(walk.folder / f"{name}.nii.gz"))
        assert segmentation.GetSize() == scan.GetSize()
        assert segmentation.GetSpacing() == pytest.approx(scan.GetSpacing(), abs=1e-4)
        assert segmentation.GetOrigin() == pytest.approx(scan.GetOrigin(), abs=1e-3)
        assert segmentation.GetDirection() == pytest.approx(scan.GetDirection(), abs=1e-5)


def test_a_sheet_is_segmented_but_for_its_bad_cases(walk):
    made = {path.name for path in (walk.folder / "predicted").glob("*.nii.gz")}
    spoiled = {spoil.__name__ for spoil in (path_that_is_not_there, constant_image)}
    good = {*ORIENTED, *(spoil.__name__ for spoil in BAD), FAULTY} - spoiled
    assert made == {f"{case}.nii.gz" for case in good}
    with open(walk.folder / "predicted.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["case"] for row in rows if row["failed"]} == spoiled
    pages = {path.stem for path in (walk.folder / "predicted-pages").glob("*.html")}
    assert pages == good


def test_a_seg_lies_on_the_series_that_it_was_made_from(walk):
    import pydicom

    seg = pydicom.dcmread(walk.folder / "c004.dcm")
    series = [pydicom.dcmread(file) for file in (walk.folder / "scans/c004/venous").iterdir()]
    [referred] = seg.ReferencedSeriesSequence
    assert referred.SeriesInstanceUID == series[0].SeriesInstanceUID
    assert {one.ReferencedSOPInstanceUID for one in referred.ReferencedInstanceSequence} <= {
        one.SOPInstanceUID for one in series
    }
    assert (walk.folder / "c004.html").is_file()
    assert sitk.ReadImage(str(walk.folder / "c004-uncertainty.nii.gz")).GetSize() == (40, 40, 20)


@pytest.mark.skipif(any(map(lacks, PROGRAMS)), reason=f"needs {', '.join(PROGRAMS)}")
def test_the_walk_ends_in_the_pacs_beside_the_series(walk, pacs):
    import pydicom

    (study,) = pacs.json("/studies?expand")
    series = [pacs.json(f"/series/{key}") for key in study["Series"]]
    by_kind = {one["MainDicomTags"]["Modality"]: one for one in series}
    assert set(by_kind) == {"CT", "SEG"}
    assert len(by_kind["CT"]["Instances"]) == 20
    (instance,) = by_kind["SEG"]["Instances"]
    (walk.folder / "back.dcm").write_bytes(pacs.get(f"/instances/{instance}/file"))
    assert pydicom.dcmread(walk.folder / "back.dcm") == pydicom.dcmread(walk.folder / "c004.dcm")
