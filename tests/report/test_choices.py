from remodal.report.choices import made_choices, with_code


def test_a_method_with_a_recipe_of_its_own_is_named_beside_the_choice(make_settings, tmp_path):
    own = {"maml": {"recipe": {"optimiser": "sgd"}}}
    used = {
        made.choice.option: made.used for made in made_choices(make_settings(methods=own), tmp_path)
    }
    assert used["recipe.optimiser"] == "adam; MAML: sgd"
    assert used["recipe.schedule"] == "plateau"


def test_backticks_mark_code_and_nothing_else_becomes_markup():
    said = with_code("`remodal predict` reads <b>one</b> phase")
    assert said == "<code>remodal predict</code> reads &lt;b&gt;one&lt;/b&gt; phase"
