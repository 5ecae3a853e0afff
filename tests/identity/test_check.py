"""What is searched, and what the command says of it."""

import gzip
import os
import shutil
from pathlib import Path

import pytest
import SimpleITK as sitk
from tests.identity.files import DAMAGED_DICOM, NAME, TAGS, encrypted
from tests.test_cli import remodal as run_remodal

import remodal.errors
from remodal.errors import EnvironmentProblem, UserError
from remodal.identity.check import check_identity


def test_a_clean_folder_holds_nothing(source, shared):
    """Numbers, common words and parts of longer ones are no values."""
    searched = check_identity([shared], [source])
    assert searched.findings == []
    assert (searched.files, searched.too_short) == (4, {"StudyID": 1})


def test_a_dicom_file_among_the_results_is_read(source, shared, tmp_path):
    (shared / "copy").write_bytes((source / "1.dcm").read_bytes())
    found = {finding.hit.keyword for finding in check_identity([shared], [source]).findings}
    assert found >= set(TAGS) - {"StudyID"}


def test_remodal_s_own_code_is_passed_over_unless_it_was_changed(source, shared):
    """A served model carries it, and its examples of names are nobody's."""
    copied = shared / "model/code/remodal/errors.py"
    copied.parent.mkdir(parents=True)
    copied.write_bytes(Path(remodal.errors.__file__).read_bytes())
    assert check_identity([shared], [source]).own == 1
    copied.write_text(f"{copied.read_text()}# {NAME}\n")
    searched = check_identity([shared], [source])
    assert (searched.own, len(searched.findings)) == (0, 1)


def test_what_is_no_file_is_told_and_its_name_searched(source, shared, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (shared / "here").symlink_to(shared / "case1")
    (shared / "away").symlink_to(elsewhere)
    (shared / "Anneliese").symlink_to(tmp_path / "nowhere")
    (shared / "table2.csv").symlink_to(shared / "table.csv")
    (shared / "table3.csv").symlink_to("../Brinkmann.csv")
    (tmp_path / "Brinkmann.csv").write_text("H-998877")
    os.mkfifo(shared / "pipe")
    searched = check_identity([shared], [source])
    assert sorted(map(str, searched.gaps)) == [
        f"{shared}/***: itself: leads nowhere",
        f"{shared}/away: itself: leads to a folder elsewhere: name that, too",
        f"{shared}/pipe: itself: is no file",
    ]
    assert {(finding.path.rpartition("/")[2], finding.place) for finding in searched.findings} == {
        ("***", "its name"),
        ("table3.csv", "its link"),
        ("table3.csv", "text, line 1"),
    }


def test_a_single_file_is_searched(source, shared):
    (shared / "a.txt").write_text("H-998877")
    searched = check_identity([shared / "a.txt", shared], [source])
    assert (searched.files, len(searched.findings), searched.is_whole) == (5, 1, True)


def test_git_s_history_is_said_to_be_passed_over(source, shared):
    (shared / ".git").mkdir()
    (shared / ".git/HEAD").write_text(NAME)
    searched = check_identity([shared], [source])
    assert (searched.findings, searched.histories, searched.is_whole) == ([], 1, True)


def test_a_folder_that_cannot_be_listed_stops_the_search(source, shared, monkeypatch):
    def refused(folder):
        raise PermissionError(13, "Permission denied", str(folder / "Brinkmann"))

    monkeypatch.setattr(os, "scandir", lambda folder: refused(Path(folder)))
    with pytest.raises(EnvironmentProblem, match=r"/\*\*\*: cannot be read \(Permission denied"):
        check_identity([shared], [source / "1.dcm"])


def test_a_value_in_text_is_told_with_its_lines(source, shared):
    escaped = NAME.replace("ü", "\\u00fc")
    (shared / "a.json").write_text(f'{{\n "who":\n "{escaped}"\n}}\n')
    (shared / "b.csv").write_text("case\n" + f"{NAME}\n\n" * 7)
    # A page with a figure in it, folded as e-mail does; more than is read at a time before it.
    figure = "\n".join(["iVBORw0KGgo" + "A" * 65, *["A" * 76] * 3])
    (shared / "c.html").write_text("<p>\n" * 1_500_000 + f"{figure}\n<b>{NAME}</b>")
    with gzip.open(shared / "d.csv.gz", "wt") as packed:
        packed.write(f"case\n{NAME}\n")
    found = {
        finding.path.rpartition("/")[2]: finding.place
        for finding in check_identity([shared], [source]).findings
    }
    assert found == {
        "a.json": "text, line 3",
        "b.csv": "text, lines 2, 4, 6, 8, 10 and 2 more",
        "c.html": "text, line 1500005",
        "d.csv.gz": "text, line 2",
    }


def test_the_sources_themselves_are_not_searched(source):
    searched = check_identity([source], [source])
    assert (searched.findings, searched.files, searched.sources) == ([], 0, 1)


def test_the_command_ends_in_one_line_and_an_exit_code(source, shared):
    clean = run_remodal("check-identity", shared, "--from", source)
    assert (clean.returncode, clean.stderr) == (0, "")
    assert clean.stdout.endswith("4 files, 10 values: none found\n")
    (shared / "table.csv").write_text(f"case,who\ncase1,{NAME}\n")
    failed = run_remodal("check-identity", shared, "--from", source)
    assert failed.returncode == 2
    assert f"{shared}/table.csv: text, line 2: PatientName" in failed.stdout
    assert failed.stderr.count("\n") == 1
    assert NAME not in failed.stdout + failed.stderr


def test_the_command_does_not_pass_what_it_could_not_search(source, shared):
    (shared / "a.zip").write_bytes(encrypted("a.txt", "x"))
    done = run_remodal("check-identity", shared, "--from", source)
    assert done.returncode == 3
    assert f"not searched: {shared}/a.zip: file 1 of the archive: is encrypted\n" in done.stdout
    assert "none found, but not everything could be searched" in done.stderr


def test_sources_that_could_not_be_read_are_told(source, shared, tmp_path):
    """What they say is not known, so it was not searched for."""
    sources = tmp_path / "Brinkmann"
    shutil.copytree(source, sources)
    (sources / "2.dcm").write_bytes(DAMAGED_DICOM)
    (tmp_path / "empty").mkdir()
    named = [sources, tmp_path / "gone", tmp_path / "empty"]
    searched = check_identity([shared], named)
    assert searched.unread_sources == [f"{tmp_path}/***/2.dcm"]
    assert (searched.missing_sources, searched.findings, searched.is_whole) == (2, [], False)
    done = run_remodal("check-identity", shared, "--from", sources, "--from", tmp_path / "gone")
    assert done.returncode == 3
    assert f"tags of 1 source file could not be read: {tmp_path}/***/2.dcm\n" in done.stdout
    assert "not there: 1 source\n" in done.stdout


def test_sources_without_dicom_s_mark_are_read_as_a_conversion_reads_them(source, shared, tmp_path):
    folder = tmp_path / "bare"
    folder.mkdir()
    (folder / "slice").write_bytes((source / "1.dcm").read_bytes()[132:])
    (folder / "notes.txt").write_text("no DICOM")
    (shared / "table.csv").write_text("H-998877")
    searched = check_identity([shared], [folder])
    assert len(searched.findings) == 1
    assert searched.is_whole


def test_without_dicom_sources_nothing_can_be_said(shared, tmp_path):
    image = tmp_path / "a.nii.gz"
    sitk.WriteImage(sitk.Image(4, 4, 4, sitk.sitkInt16), str(image))
    with pytest.raises(UserError, match="no DICOM file with identifying tags"):
        check_identity([shared], [image])
    with pytest.raises(UserError, match="nowhere: is not there"):
        check_identity([tmp_path / "nowhere"], [image])
