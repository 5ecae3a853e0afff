import pytest

from remodal.errors import BadCase
from remodal.intake.source_files import files_of, states_of_files


@pytest.fixture
def folder(tmp_path):
    def write(*names):
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(b"x")
        return tmp_path

    return write


def names(source):
    root = source if source.is_dir() else source.parent
    return [str(file.relative_to(root)) for file in files_of(source)]


def test_a_folder_s_files_come_before_those_of_its_sub_folders(folder):
    root = folder("b/2.dcm", "c.dcm", "a/b/1.dcm", "a/9.dcm", ".hidden", ".git/config")
    assert names(root) == ["c.dcm", "a/9.dcm", "a/b/1.dcm", "b/2.dcm"]
    assert [name for name, *_ in states_of_files(root)] == names(root)


def test_linked_sub_folders_are_followed_and_circles_are_not(folder, tmp_path):
    folder("elsewhere/1.dcm", "series/2.dcm")
    (tmp_path / "series/linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/back").symlink_to(tmp_path / "series")
    assert names(tmp_path / "series") == ["2.dcm", "linked/1.dcm"]


def test_a_folder_reached_twice_counts_once_and_one_around_the_series_not_at_all(folder, tmp_path):
    folder("all/series/1.dcm", "all/other/2.dcm")
    (tmp_path / "all/series/again").symlink_to(tmp_path / "all/series")
    (tmp_path / "all/series/around").symlink_to(tmp_path / "all")
    assert names(tmp_path / "all/series") == ["1.dcm"]


def test_a_link_to_itself_is_no_folder(folder, tmp_path):
    folder("series/1.dcm")
    (tmp_path / "series/round").symlink_to("round")
    assert names(tmp_path / "series") == ["1.dcm", "round"]


def test_a_folder_that_is_a_link_is_its_target(folder, tmp_path):
    folder("elsewhere/1.dcm")
    (tmp_path / "series").symlink_to(tmp_path / "elsewhere")
    assert names(tmp_path / "series") == ["1.dcm"]


@pytest.mark.parametrize(
    ("name", "header", "found"),
    [
        ("v.nii", "", ["v.nii"]),
        ("v.mha", "NDims = 3\nElementDataFile = LOCAL\n", ["v.mha"]),
        ("v.mhd", "NDims = 3\nElementDataFile = v.raw", ["v.mhd", "v.raw"]),
        ("v.mhd", "ElementDataFile : v.raw\r\n", ["v.mhd", "v.raw"]),
        ("v.MHD", "ElementDataFile = LIST\na.raw\n\nsub/b.raw\n", ["v.MHD", "a.raw", "sub/b.raw"]),
        (
            "v.mhd",
            "ElementDataFile = s%02d.raw 9 11 1\n",
            ["v.mhd", "s09.raw", "s10.raw", "s11.raw"],
        ),
        ("v.nrrd", "NRRD0004\ntype: short\n\nvoxels", ["v.nrrd"]),
        ("v.nhdr", "NRRD0004\n# data file: no\ndata file: v.raw\n", ["v.nhdr", "v.raw"]),
        ("v.nhdr", "NRRD0004\ndatafile: ./v.raw\na:=b: c\n\n", ["v.nhdr", "v.raw"]),
        ("v.nhdr", "NRRD0005\ndata file: LIST\na.raw\nb.raw\n", ["v.nhdr", "a.raw", "b.raw"]),
        (
            "v.nhdr",
            "NRRD0005\ndata file: s%d.raw 1 5 2 2\n\n",
            ["v.nhdr", "s1.raw", "s3.raw", "s5.raw"],
        ),
        ("v.hdr", "", ["v.hdr", "v.img"]),
    ],
)
def test_an_image_file_comes_with_those_that_it_points_to(name, header, found, tmp_path):
    (tmp_path / name).write_text(header, newline="")
    (tmp_path / "v.img").write_bytes(b"x")
    assert names(tmp_path / name) == found


def test_either_file_of_a_pair_is_the_pair(folder):
    root = folder("v.hdr", "v.img", "UPPER.HDR", "UPPER.IMG", "dicom.img")
    assert names(root / "v.img") == ["v.hdr", "v.img"]
    assert names(root / "UPPER.HDR") == ["UPPER.HDR", "UPPER.IMG"]
    assert names(root / "dicom.img") == ["dicom.img"]


def test_a_header_names_no_file_outside_its_folder(tmp_path):
    for where in ("/etc/passwd", "../v.raw", "sub/../../v.raw", "LIST\na.raw\n/etc/passwd"):
        (tmp_path / "v.mhd").write_text(f"ElementDataFile = {where}\n")
        with pytest.raises(BadCase, match="outside its folder"):
            files_of(tmp_path / "v.mhd")
        # The state is asked for before anything may be refused.
        assert [name for name, *_ in states_of_files(tmp_path / "v.mhd")] == ["v.mhd"]


def test_a_damaged_header_is_a_bad_case(tmp_path):
    for name, text in (("v.mhd", "nothing"), ("v.nhdr", "nothing"), ("v.mhd", "a = %s%s 1 2")):
        (tmp_path / name).write_text(text)
        with pytest.raises(BadCase, match="its header is damaged"):
            files_of(tmp_path / name)


def test_what_is_not_there_has_no_size(folder):
    root = folder("v.mhd")
    (root / "v.mhd").write_text("ElementDataFile = v.raw\n")
    sizes = {name: size for name, size, _ in states_of_files(root / "v.mhd")}
    assert sizes == {"v.mhd": 24, "v.raw": -1}
    (root / "link.dcm").symlink_to("nowhere")
    assert ("link.dcm", -1, 0) in list(states_of_files(root))
    (root / "empty").mkdir()
    with pytest.raises(BadCase, match="the folder is empty"):
        files_of(root / "empty")
