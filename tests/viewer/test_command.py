from typer.testing import CliRunner

from remodal.cli import app
from remodal.errors import UserError


def call(*arguments):
    return CliRunner().invoke(app, ["view", *map(str, arguments)])


def test_the_command_writes_the_page_into_the_study_and_says_how_large_it_is(study, niivue):
    done = call("c001", "--study", study)
    page = study / "views/c001.html"
    megabytes = page.stat().st_size / 1e6
    assert done.stdout == f"{page}: 2 images, 4 segmentations, {megabytes:.1f} MB\n"
    assert "Simulated data" in page.read_text(encoding="utf-8")


def test_the_command_says_what_a_smaller_page_leaves_out(study, niivue, tmp_path):
    done = call("c001", "--study", study, "--spacing", 3.5, "-o", tmp_path / "small.html")
    assert "only every 2nd (x), 2nd (y), 1st (z) voxel is here" in done.stdout
    assert (tmp_path / "small.html").is_file()


def test_nothing_is_written_for_a_case_that_is_not_there(study, tmp_path):
    done = call("c009", "--study", study, "-o", tmp_path / "page.html")
    assert isinstance(done.exception, UserError)
    assert not (tmp_path / "page.html").exists()
