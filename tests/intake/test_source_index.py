import hashlib
import json
import os
from pathlib import Path

import pytest
import SimpleITK as sitk

from remodal.errors import UserError
from remodal.geometry.volume import to_sitk
from remodal.intake.source_index import (
    content_digest,
    digest_of_sources,
    index_file,
    read_index,
    source_state,
    update_index,
)


@pytest.fixture
def scans(tmp_path):
    folder = tmp_path / "p1"
    folder.mkdir()
    (folder / "1.dcm").write_bytes(b"one")
    (folder / "2.dcm").write_bytes(b"two")
    (tmp_path / "p2.nii.gz").write_bytes(b"volume")
    return [folder, tmp_path / "p2.nii.gz", tmp_path / "gone.nii.gz"]


@pytest.fixture
def sheet(tmp_path):
    return tmp_path / "samples.tsv"


def test_a_file_is_its_sha256_and_a_folder_that_of_its_files(scans):
    assert content_digest(scans[1]) == hashlib.sha256(b"volume").hexdigest()
    parts = sorted(hashlib.sha256(part).hexdigest() for part in (b"one", b"two"))
    assert content_digest(scans[0]) == hashlib.sha256("\n".join(parts).encode()).hexdigest()


def test_only_what_is_missing_is_added_unless_asked(scans, sheet):
    first = update_index(sheet, scans)
    assert (first.added, first.not_there) == (scans[:2], scans[2:])
    before = read_index(sheet)
    scans[1].write_bytes(b"another")
    assert update_index(sheet, scans).unchanged == scans[:2]
    assert read_index(sheet) == before
    assert update_index(sheet, scans, again=True).changed == [scans[1]]
    changed = {path for path, digest in read_index(sheet).items() if before[path] != digest}
    assert changed == {str(scans[1])}


def test_a_source_that_is_away_keeps_its_entry_and_one_the_sheet_dropped_loses_it(scans, sheet):
    update_index(sheet, scans)
    scans[1].unlink()
    update_index(sheet, scans[1:])
    assert list(read_index(sheet)) == [str(scans[1])]


def test_the_state_of_an_indexed_source_is_its_digest_wherever_it_is(scans, sheet):
    update_index(sheet, scans)
    index = read_index(sheet)
    scans[1].unlink()
    assert source_state([scans[1]], index) == hashlib.sha256(b"volume").hexdigest()
    assert source_state([scans[2]], index) == f"not indexed: {scans[2]} is not there"
    assert source_state([scans[0]], {}).startswith(f"not indexed: {scans[0]} in the state ")


def overwritten_in_place(folder):
    # Neither the folder's time nor the slice's size tells.
    (folder / "2.dcm").write_bytes(b"TWO")


def added_below(folder):
    (folder / "below/4.dcm").write_bytes(b"four")


def removed_below(folder):
    (folder / "below/3.dcm").unlink()


def renamed_below(folder):
    (folder / "below/3.dcm").rename(folder / "below/5.dcm")


@pytest.mark.parametrize(
    "change", [overwritten_in_place, added_below, removed_below, renamed_below]
)
def test_any_change_of_a_folder_s_files_is_another_state(change, scans):
    (scans[0] / "below").mkdir()
    (scans[0] / "below/3.dcm").write_bytes(b"three")
    before, times = source_state([scans[0]], {}), scans[0].stat()
    assert source_state([scans[0]], {}) == before
    change(scans[0])
    os.utime(scans[0], ns=(times.st_atime_ns, times.st_mtime_ns))
    assert source_state([scans[0]], {}) != before


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("v.mhd", "NDims = 3\nElementDataFile = v.raw\n"),
        ("v.mhd", "NDims = 3\nElementDataFile = LIST\nother.raw\nv.raw\n"),
        ("v.nhdr", "NRRD0004\ndata file: v.raw\n\n"),
        ("v.hdr", ""),
    ],
)
def test_the_voxels_behind_a_header_count(name, header, sheet, tmp_path):
    voxels = tmp_path / ("v.img" if name == "v.hdr" else "v.raw")
    source = tmp_path / name
    source.write_text(header)
    voxels.write_bytes(b"before")
    update_index(sheet, [source])
    state, digest = source_state([source], {}), read_index(sheet)[str(source)]
    voxels.write_bytes(b"after!")
    assert source_state([source], {}) != state
    assert content_digest(source) != digest
    assert update_index(sheet, [source], again=True).changed == [source]


def test_several_files_of_a_label_are_one_source_in_their_order(scans, sheet):
    pair = [scans[0], scans[1]]
    assert source_state(pair, {}) != source_state(pair[::-1], {})
    assert source_state(scans[:2], {str(scans[0]): "0" * 64}).startswith("not indexed: ")
    update_index(sheet, pair)
    index = read_index(sheet)
    state = source_state(pair, index)
    assert state == digest_of_sources([content_digest(one) for one in pair])
    assert state not in (source_state(pair[::-1], index), *index.values())


def test_a_conversion_s_record_holds_the_digest_of_the_index(image, write_series, tmp_path):
    from remodal.intake.convert import convert_image

    write_series(tmp_path / "series", image)
    (tmp_path / "series/notes.txt").write_text("exported by the PACS")
    sitk.WriteImage(to_sitk(image), str(tmp_path / "v.mhd"))
    for source in (tmp_path / "series", tmp_path / "v.mhd"):
        record = convert_image(
            source, tmp_path / "o.nii", tmp_path / "o.json", case="c", modality="m"
        )
        assert record.details["sha256"] == content_digest(source)


def test_what_was_digested_is_kept_if_it_is_interrupted(scans, sheet, monkeypatch):
    scans[2].write_bytes(b"third")
    update_index(sheet, [scans[1]])
    read, digest = [], content_digest

    def interrupted(source):
        if read:
            raise KeyboardInterrupt
        read.append(source)
        return digest(source)

    monkeypatch.setattr("remodal.intake.source_index.content_digest", interrupted)
    with pytest.raises(KeyboardInterrupt):
        update_index(sheet, [scans[0], scans[1], scans[2]])
    # Those in the index, whether or not they had their turn, and the one that was read.
    assert set(read_index(sheet)) == {str(scans[0]), str(scans[1])}
    monkeypatch.setattr("remodal.intake.source_index.content_digest", digest)
    assert update_index(sheet, [scans[0], scans[1], scans[2]]).unchanged == [scans[0], scans[1]]


def test_a_damaged_index_is_named_with_its_line(sheet):
    index_file(sheet).write_text("path\tsha256\np1\tshort\n")
    with pytest.raises(UserError, match=r"samples.index.tsv:2: wrong line; expected"):
        read_index(sheet)


def test_a_conversion_refuses_an_indexed_source_of_another_content(scans, tmp_path):
    from remodal.intake.convert import convert_image

    names = {"case": "p2", "modality": "venous"}
    for source, what in ((scans[1], "not what"), (scans[2], "not on this machine")):
        with pytest.raises(UserError, match=f"p2, venous: .*{what}"):
            convert_image(
                source, tmp_path / "a.nii.gz", tmp_path / "a.json", indexed="0" * 64, **names
            )
    assert not (tmp_path / "a.json").exists()


def test_indexing_after_a_conversion_of_the_same_content_keeps_it(tmp_path, monkeypatch):
    from remodal.intake.datasets import cases_of
    from remodal.settings.composition import compose
    from remodal.sharing.snakemake_records import read_record, write_record
    from remodal.sharing.sources import index_sources

    data = {"name": "ours", "source": "sheet", "sheet": "samples.tsv", "simulated": False}
    settings = compose({"study": "liver", "preset": "smoke"}, overrides={"data": data})
    monkeypatch.chdir(tmp_path)
    sheet = Path("samples.tsv")
    sheet.write_text("case\tmodality\tpath\np1\tarterial\ta.nii\np1\tvenous\tv.nii\n")
    Path("a.nii").write_bytes(b"as converted")
    Path("v.nii").write_bytes(b"changed since")
    for name, content in (("arterial", b"as converted"), ("venous", b"converted")):
        image = Path(f"results/data/ours/converted/p1/{name}.nii.gz")
        image.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256(content).hexdigest()
        image.with_name(f"{name}.json").write_text(json.dumps({"details": {"sha256": digest}}))
        for output in (image, image.with_name(f"{name}.json")):
            write_record(str(output), {"params": ["''", "'not indexed: x of 1'"]})
    said = index_sources(settings, cases_of(settings), again=False)
    assert said[-1] == "1 finished conversions read what is now indexed: they stay"
    indexed = read_index(sheet)
    folder = "results/data/ours/converted/p1"
    assert repr(indexed["a.nii"]) in read_record(f"{folder}/arterial.nii.gz")["params"]
    assert "'not indexed: x of 1'" in read_record(f"{folder}/venous.nii.gz")["params"]
