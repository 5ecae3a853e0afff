import pytest
from jinja2 import UndefinedError

from remodal.templates import templates_in


def test_a_page_is_escaped_and_a_text_is_not(tmp_path):
    for name in ("page.html.j2", "text.txt.j2"):
        (tmp_path / name).write_text("{{ said }}", encoding="utf-8")
    templates = templates_in(tmp_path)
    assert templates.get_template("page.html.j2").render(said="<b>") == "&lt;b&gt;"
    assert templates.get_template("text.txt.j2").render(said="<b>") == "<b>"


def test_a_name_that_is_not_given_is_an_error(tmp_path):
    (tmp_path / "page.html.j2").write_text("{{ said }}", encoding="utf-8")
    with pytest.raises(UndefinedError, match="'said' is undefined"):
        templates_in(tmp_path).get_template("page.html.j2").render()


def test_a_line_with_a_statement_alone_leaves_none_behind(tmp_path):
    (tmp_path / "page.html.j2").write_text("a\n  {% if true %}\nb\n  {% endif %}\nc\n", "utf-8")
    assert templates_in(tmp_path).get_template("page.html.j2").render() == "a\nb\nc"
