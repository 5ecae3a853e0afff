from remodal.results.curves import curve_row, write_curves


def test_a_row_holds_losses_rate_and_dice(tmp_path):
    rows = [
        curve_row(1, 3e-4, {"loss": 0.5, "joint": 0.25}, 0.5, {"tumour": None, "liver": 0.75}),
        curve_row(2, 6e-5, {"loss": 0.25, "joint": 0.125}, 0.4, {"tumour": 0.5, "liver": 1.0}),
    ]
    write_curves(tmp_path / "curves.csv", rows)
    assert (tmp_path / "curves.csv").read_text() == (
        "epoch,learning_rate,loss,joint,smoothed_loss,validation_dice,"
        "validation_dice_tumour,validation_dice_liver\n"
        "1,0.0003,0.5,0.25,0.5,0.75,,0.75\n"
        "2,6e-05,0.25,0.125,0.4,0.75,0.5,1\n"
    )


def test_without_validation_its_columns_are_empty(tmp_path):
    write_curves(tmp_path / "curves.csv", [curve_row(1, 0.1, {"loss": 1.0}, 1.0, {"tumour": None})])
    assert (tmp_path / "curves.csv").read_text().splitlines()[1] == "1,0.1,1,1,,"


def test_a_training_without_epochs_has_only_a_header(tmp_path):
    write_curves(tmp_path / "curves.csv", [])
    assert (tmp_path / "curves.csv").read_text() == "epoch\n"
