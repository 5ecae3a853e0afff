from remodal.settings.merging import merge, without


def test_merging_keeps_what_is_not_changed():
    assert merge({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}}) == {"a": {"b": 3, "c": 2}}


def test_what_others_say_too_is_left_out_key_by_key():
    own = {"epochs": 9, "batch": 1, "augmentation": {"gamma": 1, "blur": 2}}
    assert without(own, {"epochs": 2, "augmentation": {"blur": 0}}) == {
        "batch": 1,
        "augmentation": {"gamma": 1},
    }
