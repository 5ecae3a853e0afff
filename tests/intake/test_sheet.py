import string
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remodal.errors import UserError
from remodal.intake.label_source import LabelSource
from remodal.intake.sheet import COLUMNS, Image, SheetError, read_sheet

MODALITIES = ["arterial", "venous"]


@pytest.fixture
def sheet(tmp_path):
    """A function that writes lines of cells below the full heading and reads them."""

    def write_and_read(*rows, heading=COLUMNS, text=None, encoding="utf-8", truth="case"):
        path = tmp_path / "samples.tsv"
        lines = ["\t".join(row) for row in (heading, *rows)]
        path.write_text("\n".join(lines) if text is None else text, encoding=encoding)
        return read_sheet(path, MODALITIES, truth)

    return write_and_read


def problems(sheet, *rows, **options) -> list[str]:
    with pytest.raises(SheetError) as caught:
        sheet(*rows, **options)
    shown = str(caught.value).split("\n")
    assert shown[0].endswith("in the sample sheet")
    assert [line.strip() for line in shown[1:]] == caught.value.problems
    return caught.value.problems


def test_a_full_line_is_read_cell_by_cell(sheet):
    assert sheet(("c1", "venous", "a b/c", "d.dcm", "venous", "hcc", "p1", "1=Liver", "m.mha")) == [
        Image(
            "c1",
            "venous",
            Path("a b/c"),
            LabelSource((Path("d.dcm"),), structures=((1, "Liver"),)),
            "hcc",
            "p1",
            Path("m.mha"),
        )
    ]


def test_a_mask_is_of_the_image_of_its_line(sheet):
    heading = ("case", "modality", "path", "mask")
    images = sheet(("c1", "arterial", "a"), ("c1", "venous", "v", "m"), heading=heading)
    assert [image.mask for image in images] == [None, Path("m")]
    [found] = problems(sheet, ("c1", "arterial", "", "m"), ("c1", "venous", "v"), heading=heading)
    assert "line 2, column `mask`: there is no image" in found


def test_what_is_said_once_holds_for_the_case(sheet):
    images = sheet(
        ("c1", "arterial", "a"),
        ("c1", "venous", "v", "l", "", "hcc", "p1"),
        ("c2", "venous", "w"),
    )
    assert [image.label for image in images] == [None, LabelSource((Path("l"),)), None]
    assert [image.group for image in images] == ["hcc", "hcc", ""]
    assert [image.patient for image in images] == ["p1", "p1", "c2"]


def test_comments_blank_lines_and_spreadsheet_habits_are_fine(sheet):
    text = (
        "\ufeff# a comment\r\n\r\npath\tmodality\tcase\t\r\n"
        '# another\r\n"a ""b"" c"\t venous \tc1\t\t\r\n\t\t\r\n'
    )
    text = text.replace("path\tmodality\tcase\t\r\n", "path\tmodality\tcase\r\n")
    assert sheet(text=text) == [Image("c1", "venous", Path('a "b" c'), None, "", "c1")]


def test_every_bad_cell_is_told_with_its_line_and_column(sheet):
    found = problems(
        sheet,
        ("../c1", "venous", "v"),
        ("c2", "portal", "v", "l", "delayed"),
        ("", "venous", "", "", "arterial"),
        ("c3", "venous", "v", "", "", "x" * 65, "Doe, Jane"),
    )
    assert [line.partition(":")[0] for line in found] == [
        "line 2, column `case`",
        "line 3, column `modality`",
        "line 3, column `label_on`",
        "line 4, column `case`",
        "line 4, column `label_on`",
        "line 5, column `patient`",
        "line 5, column `group`",
    ]
    assert "`portal`; expected one of arterial, venous" in found[1]


def test_a_label_of_several_files_or_of_named_structures(sheet):
    first, second, third = sheet(
        ("c1", "venous", "v", "1=liver.nii; 2 = tu mour.nii ;", "", "", "", ""),
        ("c2", "venous", "v", "plan.dcm", "", "", "", "1=Liver; 2=GTV 1;2=a=b"),
        ("c3", "venous", "v", "3=mask.nii", "", "", "", ""),
    )
    assert first.label == LabelSource((Path("liver.nii"), Path("tu mour.nii")), (1, 2))
    assert second.label == LabelSource(
        (Path("plan.dcm"),), structures=((1, "Liver"), (2, "GTV 1"), (2, "a=b"))
    )
    assert third.label == LabelSource((Path("mask.nii"),), (3,))
    assert str(first.label) == "liver.nii 'tu mour.nii'"
    assert first.label.options == "--value=1 --value=2"
    assert second.label.options == "--structure=1=Liver '--structure=2=GTV 1' --structure=2=a=b"


@pytest.mark.parametrize(
    ("label", "structures", "reason"),
    [
        ("a.nii; b.nii", "", "column `label`: 2 files, of which 0 have a value; expected one path"),
        ("1=a.nii; b.nii", "", "column `label`: 2 files, of which 1 have a value"),
        ("0=a.nii", "", "column `label`: value 0; expected 1 to 255"),
        ("1=a.nii", "1=Liver", "column `label`: structures are named and files have values"),
        ("a.dcm", "Liver", "column `structures`: expected a value for each structure"),
        ("a.dcm", "256=Liver", "column `structures`: value 256; expected 1 to 255"),
        ("", "1=Liver", "column `structures`: there is no label"),
    ],
)
def test_a_label_that_is_not_clear_is_told(label, structures, reason, sheet):
    (found,) = problems(sheet, ("c1", "venous", "v", label, "", "", "", structures))
    assert reason in found


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
def test_unicode_text_of_a_spreadsheet_is_read(encoding, sheet):
    text = "case\tmodality\tpath\tgroup\r\nc1\tvenous\tMüller/v\tHämangiom\r\n"
    (found,) = sheet(text=text, encoding=encoding)
    assert (found.path, found.group) == (Path("Müller/v"), "Hämangiom")


@pytest.mark.parametrize(("separator", "name"), [(";", "semicolons"), (",", "commas")])
def test_other_separators_are_named(separator, name, sheet):
    (found,) = problems(sheet, text=separator.join(COLUMNS) + "\n")
    assert found.startswith(f"line 1: the columns are separated by {name}; expected columns sep")


def test_lines_of_a_case_must_agree(sheet):
    found = problems(
        sheet,
        ("c1", "arterial", "a", "one.dcm", "venous", "hcc", "p1"),
        ("c1", "venous", "v", "one.dcm", "venous", "fnh", "p2"),
        ("c1", "venous", "w"),
    )
    assert found == [
        "line 4, column `modality`: case `c1` has it already in line 3; "
        "expected one line per modality",
        "line 3, column `group`: `fnh`, but `hcc` in line 2 of the same case `c1`; "
        "expected the same on all lines of a case",
        "line 3, column `patient`: `p2`, but `p1` in line 2 of the same case `c1`; "
        "expected the same on all lines of a case",
    ]


@pytest.mark.parametrize("drawn_on", ["", "venous"])
def test_two_labels_of_one_truth_are_told_in_one_line(sheet, drawn_on):
    rows = ("c1", "arterial", "a", "one.dcm", drawn_on), ("c1", "venous", "v", "two.dcm", drawn_on)
    assert problems(sheet, *rows) == [
        "line 3, column `label`: `two.dcm`, but `one.dcm` in line 2 of the same case `c1`; "
        "expected one label per case, or `data.truth: image` in the study for one of each image"
    ]


def test_where_each_image_has_its_truth_each_line_may_have_its_label(sheet):
    arterial, venous, other = sheet(
        ("c1", "arterial", "a", "one.dcm", "", "", "", "1=Liver"),
        ("c1", "venous", "v", "two.dcm"),
        ("c2", "venous", "w"),
        truth="image",
    )
    assert arterial.label == LabelSource((Path("one.dcm"),), structures=((1, "Liver"),))
    assert venous.label == LabelSource((Path("two.dcm"),))
    assert other.label is None


def test_one_file_may_be_the_label_of_each_image(sheet):
    images = sheet(("c1", "arterial", "a", "l"), ("c1", "venous", "v", "l"), truth="image")
    assert [image.label for image in images] == [LabelSource((Path("l"),))] * 2


def test_two_labels_of_one_image_are_told(sheet):
    rows = ("c1", "arterial", "a", "one.dcm", "venous"), ("c1", "venous", "v", "two.dcm")
    assert problems(sheet, *rows, truth="image") == [
        "line 3, column `label`: `two.dcm`, but `one.dcm` in line 2 of the same case `c1`; "
        "expected one label of the venous image"
    ]


def test_one_label_is_not_drawn_on_two_modalities(sheet):
    found = problems(sheet, ("c1", "arterial", "a", "l"), ("c1", "venous", "v", "l"))
    assert len(found) == 1
    assert "column `label_on`: `venous`, but `arterial` in line 2" in found[0]


def test_a_label_needs_the_image_that_it_was_drawn_on(sheet):
    assert problems(sheet, ("c1", "arterial", "a", "l", "venous")) == [
        "line 2, column `label_on`: case `c1` has no image for `venous`; "
        "expected a modality of the case"
    ]


def test_a_modality_whose_path_is_empty_is_one_that_the_case_lacks(sheet):
    (image,) = sheet(("c1", "arterial", "", "", "", "hcc"), ("c1", "venous", "v", "l"))
    label = LabelSource((Path("l"),))
    assert image == Image("c1", "venous", Path("v"), label, "hcc", "c1")


def test_a_case_without_any_image_is_a_mistake(sheet):
    assert problems(sheet, ("c1", "arterial", ""), ("c2", "venous", "v")) == [
        "line 2, column `path`: case `c1` has no image; expected one at least"
    ]


def test_a_label_on_the_line_of_a_missing_image_must_say_what_it_was_drawn_on(sheet):
    assert problems(sheet, ("c1", "arterial", "", "l"), ("c1", "venous", "v")) == [
        "line 2, column `label_on`: case `c1` has no image for `arterial`; "
        "expected a modality of the case"
    ]
    (image,) = sheet(("c1", "arterial", "", "l", "venous"), ("c1", "venous", "v"))
    assert image.label == LabelSource((Path("l"),))


def test_two_cases_of_a_patient_may_have_different_labels(sheet):
    images = sheet(
        ("c1", "venous", "a", "l1", "", "", "p1"), ("c2", "venous", "b", "l2", "", "", "p1")
    )
    assert {image.patient for image in images} == {"p1"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the sheet is empty"),
        ("# only this\n\n", "the sheet is empty"),
        ("case\tmodality\tpath\n", "no line with an image"),
        ("case\tmodality\n", "column `path` is missing"),
        ("case,modality,path\nc,venous,x\n", "columns separated by tabs"),
        ("case\tmodality\tpath\tpath\n", "column `path` is there twice"),
        ("case\tmodality\tpath\tlable\n", "unknown column `lable`"),
        ("case\tmodality\tpath\nc1\tvenous\ta\tb\n", "line 2: 4 cells; expected 3"),
    ],
)
def test_a_sheet_of_the_wrong_form_is_refused(text, reason, sheet):
    assert any(reason in line for line in problems(sheet, text=text))


def test_a_sheet_that_is_not_there_or_not_text(sheet, tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        read_sheet(tmp_path / "none.tsv", MODALITIES)
    (tmp_path / "samples.xlsx").write_bytes(b"PK\x03\x04\xff\xfe")
    with pytest.raises(UserError, match="is not text"):
        read_sheet(tmp_path / "samples.xlsx", MODALITIES)


def test_the_example_of_the_project_is_a_good_sheet():
    example = Path(__file__).parents[2] / "config" / "samples.tsv"
    images = read_sheet(example, MODALITIES)
    assert {image.modality for image in images} == set(MODALITIES)
    assert all(bool(image.label) == (image.modality == "venous") for image in images)


PSEUDONYMS = st.text(string.ascii_letters + string.digits + "_-", min_size=1, max_size=64)
PATHS = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Zl", "Zp", "Zs")), min_size=1
)

# `;` parts the files of a label, and a number and `=` are a file's value.
MASKS = PATHS.filter(lambda path: ";" not in path and not path[0].isdigit())


@settings(max_examples=60, deadline=None)
@given(
    cases=st.lists(
        st.tuples(PSEUDONYMS, PATHS, PATHS, st.none() | st.lists(MASKS, min_size=2), PSEUDONYMS),
        min_size=1,
        max_size=5,
        unique_by=lambda case: case[0],
    ),
    order=st.permutations(range(len(COLUMNS))),
)
def test_what_is_written_is_what_is_read(cases, order, tmp_path_factory):
    heading = [COLUMNS[index] for index in order]
    rows = []
    for case, arterial, venous, masks, patient in cases:
        label = "; ".join(f"7={mask}" for mask in masks or [])
        for modality, path in (("arterial", arterial), ("venous", venous)):
            drawn = (label, "venous") if label else ("", "")
            cells = (case, modality, path, *drawn, "hcc", patient, "", path)
            rows.append([_quoted(cells[index]) for index in order])
    path = tmp_path_factory.mktemp("sheet") / "samples.tsv"
    lines = ["\t".join(row) for row in (heading, *rows)]
    path.write_text("# comment\n" + "\n".join(lines), encoding="utf-8")
    images = read_sheet(path, MODALITIES)
    assert [(image.case, image.patient) for image in images] == [
        (case, patient) for case, *_, patient in cases for _ in range(2)
    ]
    assert [image.path for image in images] == [Path(one) for case in cases for one in case[1:3]]
    assert [image.mask for image in images] == [image.path for image in images]
    assert [image.label for image in images[1::2]] == [
        LabelSource(tuple(map(Path, masks)), (7,) * len(masks)) if masks else None
        for _, _, _, masks, _ in cases
    ]


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if '"' in cell or cell.startswith("#") else cell


@settings(max_examples=200, deadline=None)
@given(text=st.text(st.sampled_from('case\tmodality\tpath\n#"c1venous,/ \r\u2028é\0')))
def test_any_text_is_read_or_refused_in_words(text, tmp_path_factory):
    path = tmp_path_factory.mktemp("sheet") / "samples.tsv"
    path.write_bytes(("case\tmodality\tpath\tlabel\n" + text).encode())
    try:
        images = read_sheet(path, MODALITIES)
    except UserError:
        return
    assert all(image.modality in MODALITIES for image in images)
