import pytest

from remodal.errors import UserError
from remodal.settings import RecipeSettings
from remodal.training.cases import Stored, WantedLabels
from remodal.training.choice import choose_cases

PHASES = ["arterial", "venous"]
BOTH = [{"cases": "labelled", "samples": 1}, {"cases": "unlabelled", "samples": 1}]


def stored(modalities=PHASES, labels=("venous",)):
    foreground = {(label, 1): [[0, 0, 0]] for label in labels}
    return Stored(list(modalities), list(labels), foreground)


def choose(train=None, validation=None, modalities=PHASES, labels=("venous",), one=False, **recipe):
    """Choose among three labelled cases and an unlabelled one, or others."""
    train = train or {name: stored() for name in "cab"} | {"u": stored(labels=())}
    recipe = RecipeSettings.model_validate(recipe)
    known = [*train, *(validation or {}), "quarantined"]
    wanted = WantedLabels([*labels], one)
    return choose_cases(train, validation or {}, modalities, wanted, recipe, known)


def test_by_default_all_labelled_cases_train_and_the_others_are_said_to_be_unused():
    choice = choose()
    assert list(choice.labelled) == ["c", "a", "b"]
    assert choice.unlabelled == {}
    assert choice.unused == {"u": "unlabelled, and no pool of unlabelled cases"}


def test_a_pool_of_unlabelled_cases_takes_those_without_and_those_whose_label_is_withheld():
    choice = choose(labelled=2, pools=BOTH)
    assert list(choice.labelled) == ["c", "a"]  # the first of the fold
    assert list(choice.unlabelled) == ["b", "u"]
    assert choice.unused == {}


def test_of_a_withheld_label_nothing_is_known():
    choice = choose(labelled=["a"], pools=BOTH)
    assert list(choice.labelled) == ["a"]
    for case in choice.unlabelled.values():
        assert (case.labels, case.foreground) == ([], {})


def test_a_withheld_label_without_a_pool_is_not_silently_dropped():
    choice = choose(labelled=["a"])
    assert choice.unused["b"] == "label withheld, and no pool of unlabelled cases"
    assert list(choice.used) == ["a"]


def test_a_list_of_labelled_cases_may_name_those_that_do_not_train_in_this_fold():
    choice = choose(labelled=["d", "b", "quarantined"], validation={"d": stored()})
    assert list(choice.labelled) == ["b"]
    assert list(choice.validation) == ["d"]


@pytest.mark.parametrize(
    ("labelled", "message"),
    [
        (4, "4 labelled cases wanted, 3 there"),
        (["a", "z"], "`z` is no case of the study"),
        (["a", "u"], "`u` has no label"),
    ],
)
def test_labelled_cases_that_are_not_there_are_one_line(labelled, message):
    with pytest.raises(UserError, match=rf"^recipe\.labelled: {message}"):
        choose(labelled=labelled)


def test_a_pool_without_any_case_is_one_line():
    with pytest.raises(UserError, match=r"recipe\.pools: no unlabelled case in the training set"):
        choose({"a": stored(), "b": stored()}, pools=BOTH)


def test_a_case_is_left_out_by_the_methods_whose_images_it_lacks():
    train = {"a": stored(), "b": stored(["venous"])}
    assert choose(train).incomplete == {"b": ["arterial"]}
    assert list(choose(train).labelled) == ["a"]
    assert list(choose(train, modalities=["venous"]).labelled) == ["a", "b"]


def test_validation_needs_labels():
    validation = {"d": stored(), "e": stored(labels=()), "f": stored(["venous"])}
    choice = choose(validation=validation)
    assert list(choice.validation) == ["d"]
    assert choice.unused["e"] == "unlabelled validation case"
    assert choice.incomplete == {"f": ["arterial"]}


def test_a_case_with_one_of_two_labels_is_unlabelled():
    train = {"a": stored(labels=PHASES), "b": stored(labels=["venous"])}
    choice = choose(train, labels=PHASES, pools=BOTH)
    assert (list(choice.labelled), list(choice.unlabelled)) == (["a"], ["b"])
    assert choice.unlabelled["b"].labels == []


def test_a_method_that_makes_do_with_one_label_is_given_such_a_case_and_says_so():
    train = {"a": stored(labels=PHASES), "b": stored(labels=["venous"]), "u": stored(labels=())}
    validation = {"d": stored(labels=["arterial"]), "e": stored(labels=())}
    choice = choose(train, validation, labels=PHASES, one=True)
    assert list(choice.labelled) == ["a", "b"]
    assert choice.labelled["b"].labels == ["venous"]
    assert list(choice.validation) == ["d"]
    assert choice.partly == {"b": ["arterial"], "d": ["venous"]}
    assert set(choice.unused) == {"u", "e"}
