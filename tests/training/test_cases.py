import numpy as np
import pytest
import torch

from remodal.errors import UserError
from remodal.results.records import Record, read_record, write_record
from remodal.training.cases import (
    WantedLabels,
    choose_place,
    free_memory,
    load_cases,
    require_foreground,
    usable_cases,
)

from .conftest import label_both, leave_out, without_label

CPU = torch.device("cpu")


PHASES = ["arterial", "venous"]


def load(study, names=("a",), modalities=PHASES, labels=("venous",), place="disk", one=False):
    usable, wanted = usable_cases(study.preprocessed, names), WantedLabels([*labels], one)
    return load_cases(study.preprocessed, usable, modalities, wanted, place, CPU)


def test_a_quarantined_case_is_left_out(study):
    path = study.preprocessed / "b.json"
    record = Record(case="b", stage="convert", status="quarantined", reason="one slice")
    write_record(path, record)
    assert list(usable_cases(study.preprocessed, ["a", "b", "c"])) == ["a", "c"]


def test_a_case_that_was_never_preprocessed_is_named(study):
    with pytest.raises(UserError, match=r"z\.json: is missing.*remodal preprocess"):
        usable_cases(study.preprocessed, ["a", "z"])


@pytest.mark.parametrize("place", ["disk", "host"])
@pytest.mark.parametrize("channels", [(0, 1), (1,), (1, 0)])
def test_a_case_holds_the_wanted_modalities_in_their_order(study, place, channels):
    (case,) = load(study, modalities=[PHASES[channel] for channel in channels], place=place)
    stored = np.load(study.preprocessed / "a.npy")[list(channels)]
    assert np.array_equal(case.image.numpy(), stored)
    assert case.image.dtype == torch.float16
    assert np.array_equal(
        case.labels["venous"].numpy(), np.load(study.preprocessed / "a.label-venous.npy")
    )


def test_foreground_voxels_lie_in_their_class(study):
    (case,) = load(study)
    assert (case.labels["venous"][tuple(case.foreground["venous", 1].T)] == 1).all()


def write_sparse(path, shape, dtype):
    """An array of zeros that takes no space on the disk."""
    with open(path, "wb") as file:
        description = {"descr": dtype, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, description)
        file.truncate(file.tell() + np.dtype(dtype).itemsize * int(np.prod(shape)))


def test_a_case_on_disk_is_mapped_not_read(study):
    """A case of 150 GiB opens at once, and any of its voxels can be read."""
    shape = (4_000, 4_000, 4_000)
    write_sparse(study.preprocessed / "a.npy", (2, *shape), "<f2")
    write_sparse(study.preprocessed / "a.label-venous.npy", shape, "|u1")
    (case,) = load(study)
    assert case.image.shape == (2, *shape)
    assert case.image[1, 3999, 3999, 3990:].tolist() == [0.0] * 10


def test_a_truncated_array_is_named(study):
    path = study.preprocessed / "a.npy"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(UserError, match=r"a\.npy: cannot be read"):
        load(study)


def test_no_usable_case_is_a_users_error(study):
    with pytest.raises(UserError, match="no usable training case"):
        require_foreground([], PHASES, study.preprocessed)


def test_no_foreground_at_all_is_a_users_error(study):
    record = read_record(study.preprocessed / "a.json")
    record.details["foreground"] = {"venous": {"1": []}}
    write_record(study.preprocessed / "a.json", record)
    cases = load(study)
    with pytest.raises(UserError, match=r"no foreground in any of the 1 training cases"):
        require_foreground(cases, PHASES, study.preprocessed)


def test_on_a_cpu_the_files_are_mapped_unless_asked_otherwise(study):
    usable = usable_cases(study.preprocessed, ["a"])
    wanted = WantedLabels(["venous"])
    assert choose_place(study.preprocessed, usable, wanted, "auto", CPU) == "disk"
    assert choose_place(study.preprocessed, usable, wanted, "host", CPU) == "host"


def test_free_memory_is_some():
    assert 2**20 < free_memory() < 2**50


def test_the_channel_of_a_modality_is_the_cases_own(study):
    """Venous is the second image of a complete case, and the only one of another."""
    venous = np.load(study.preprocessed / "b.npy")[1]
    leave_out(study.preprocessed, "b", "arterial")
    complete, single = load(study, names=["a", "b"], modalities=["venous"])
    assert np.array_equal(single.image.numpy(), venous[None])
    assert complete.image.shape == single.image.shape


def test_an_array_that_has_not_the_images_of_its_record_is_named(study):
    stored = np.load(study.preprocessed / "a.npy")
    np.save(study.preprocessed / "a.npy", stored[1:])
    with pytest.raises(UserError, match=r"a\.label-venous\.npy: image .* and label .*"):
        load(study, modalities=["venous"])


def test_an_unlabelled_case_has_an_image_and_nothing_else(study):
    without_label(study.preprocessed, "b")
    labelled, unlabelled = load(study, names=["a", "b"])
    assert (list(labelled.labels), unlabelled.labels) == (["venous"], {})
    assert unlabelled.foreground == {}
    assert unlabelled.size == unlabelled.image.shape[1:] == labelled.size


def test_each_image_may_have_a_label_of_its_own(study):
    label_both(study.preprocessed, "a")
    (case,) = load(study, labels=PHASES)
    assert list(case.labels) == PHASES
    assert torch.equal(case.labels["arterial"], case.labels["venous"].flip(0, 1, 2))
    for (image, index), voxels in case.foreground.items():
        assert (case.labels[image][tuple(voxels.T)] == index).all()
    (case,) = load(study, modalities=["venous"], labels=["venous"])
    assert list(case.labels) == ["venous"]
    assert list(case.foreground) == [("venous", 1)]


def test_a_case_that_lacks_one_of_the_wanted_labels_is_unlabelled(study):
    label_both(study.preprocessed, "a")
    complete, partial = load(study, names=["a", "b"], labels=PHASES)
    assert list(complete.labels) == PHASES
    assert (partial.labels, partial.foreground) == ({}, {})


def test_only_for_a_method_that_makes_do_with_one_label_is_that_of_a_partly_labelled_case_read(
    study,
):
    (case,) = load(study, labels=PHASES)
    assert (case.labels, case.foreground) == ({}, {})
    (case,) = load(study, labels=PHASES, one=True)
    assert list(case.labels) == ["venous"]
    assert list(case.foreground) == [("venous", 1)]
