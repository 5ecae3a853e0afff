"""The report stage: one HTML file with everything in it, which opens without a network."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import cycle, groupby
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from jinja2 import Environment

from remodal.cluster.usage import uses
from remodal.metrics.averages import with_averages
from remodal.metrics.claims import evaluate_claims
from remodal.report.breakdowns import (
    all_metrics,
    by_group,
    detections,
    distributions,
    measured_cells,
)
from remodal.report.cells import SIMULATED, Table
from remodal.report.choices import made_choices, with_code
from remodal.report.comparison import build_tables
from remodal.report.curve_charts import curve_charts
from remodal.report.data_section import data_section
from remodal.report.figures import attention_examples, failure_examples, single_modality_rivals
from remodal.report.formats import FORMATS
from remodal.report.incomplete import incomplete_cases, training_cases
from remodal.report.intervals import interval_drawing
from remodal.report.lesion_sizes import SIZES, by_size, study_lesions
from remodal.report.methods_text import methods_text
from remodal.report.modality_charts import modality_charts
from remodal.report.number_charts import number_charts
from remodal.report.overview import at_a_glance
from remodal.report.prediction_figures import prediction_figures
from remodal.report.preparation_text import label_use
from remodal.report.quality import failed_predictions, quarantined, registration_quality, warnings
from remodal.report.runs import Run, trained_runs
from remodal.report.slices import OUTLINES
from remodal.report.surface_figures import surface_figures
from remodal.report.tables import cases_csv, study_cases
from remodal.report.training_text import what_was_trained
from remodal.report.truth_figures import truth_figures
from remodal.report.views import Source
from remodal.report.wording import (
    compared_texts,
    count_texts,
    duration,
    gibibytes,
    millions,
    notes,
    number,
    ours_text,
    published_text,
    retraining_text,
)
from remodal.results.files import write_text
from remodal.results.paths import converted_cases, splits_file
from remodal.results.provenance import data_hash, git_state, hardware, versions
from remodal.results.records import case_records
from remodal.settings import Settings
from remodal.settings.stages import settings_digest
from remodal.splits import converted_files, read_splits, unlabelled_cases
from remodal.splits.groups import missing_groups
from remodal.templates import templates_in

_TEMPLATES = Path(__file__).parent / "templates"
_ARROWS = {"higher": "↑", "lower": "↓", "zero": "→ 0", "": ""}
_FORMAT_NAMES = {"csv": "CSV", "tex": "LaTeX", "md": "Markdown"}
_MIME = {"csv": "text/csv", "tex": "text/x-tex", "md": "text/markdown", "txt": "text/plain"}


@dataclass(frozen=True)
class Download:
    """A file inside the page: its name, the link's text and the data URI."""

    name: str
    label: str
    uri: str


def write_report(settings: Settings, study: Path, data: Path, output: Path) -> None:
    """Write the study's report.

    Everything shown is computed from the per-case metrics, predictions and records; anything that
    was not run is reported as such.

    Args:
        settings: the study.
        study: its folder: metrics, predictions, models, splits.json.
        data: the data set's folder: registered images, records.
        output: the HTML file.

    Raises:
        UserError: nothing has been measured, or there are no splits.
    """
    environment = _environment()
    content = _content(settings, study, data, environment)
    write_text(output, environment.get_template("page.html.j2").render(content))


def _environment() -> Environment:
    environment = templates_in(_TEMPLATES)
    environment.filters |= {
        "with_code": with_code,
        "arrow": _ARROWS.__getitem__,
        "count_texts": count_texts,
        "duration": duration,
        "gibibytes": gibibytes,
        "millions": millions,
        "notes": notes,
        "number": number,
        "ours_text": ours_text,
        "published_text": published_text,
        "retraining_text": retraining_text,
        "shown_parts": _shown_parts,
        "headings": _headings,
        "training_cases": training_cases,
    }
    return environment


def _content(
    settings: Settings, study: Path, data: Path, environment: Environment
) -> dict[str, Any]:
    """What the templates show."""
    cases = study_cases(settings, study / "metrics")
    splits = read_splits(splits_file(study))
    runs = trained_runs(settings, study)
    records = case_records(study, data, converted_files(splits))
    stopped = quarantined(records, splits)
    measured = with_averages(cases, settings.averages)
    tables = build_tables(settings, measured, splits, study)
    claims = evaluate_claims(settings.claims, measured, settings.preset, settings.repeated)
    found_versions = versions()
    incomplete = incomplete_cases(settings, splits, runs, cases)
    trained = what_was_trained(settings, study, runs)
    lesions = study_lesions(settings, study)
    source = Source(settings, study, data)
    pictures = _pictures(source, cases)
    text = methods_text(environment, settings, splits, trained, found_versions)
    return {
        "settings": settings,
        "simulated": f" {SIMULATED}" if settings.data.simulated else "",
        "label_use": label_use(settings),
        "regions": len(settings.data.regions),
        "sections": _sections(settings, tables, pictures),
        "glance": at_a_glance(cases, splits, runs, claims, len(stopped), incomplete),
        "tables": tables,
        "table_files": {table.name: _table_files(table) for table in tables},
        "claims": claims,
        "claims_heading": _claims_heading(settings),
        "label_of": settings.title_of,
        "compared_texts": compared_texts,
        "interval": interval_drawing,
        "data": data_section(settings, study, records, splits, cases, lesions),
        "folds": splits["folds"],
        "missing_groups": missing_groups(splits),
        "unlabelled": unlabelled_cases(splits),
        "incomplete": incomplete,
        "quarantined": stopped,
        "faults": any(note.fault for note in stopped),
        "failed_predictions": failed_predictions(settings, cases),
        "warnings": warnings(records, splits),
        "registration": registration_quality(settings, records, data),
        "choices": made_choices(settings, study),
        "methods_text": text,
        "methods_files": [download("methods.txt", "plain text", text)],
        "runs": runs,
        "curve_charts": curve_charts(settings, runs),
        "cluster": uses([data, study]),
        "versions": found_versions,
        "provenance": _provenance(settings, data, splits, runs),
        "configuration": yaml.safe_dump(
            settings.model_dump(mode="json", exclude={"compute"}),
            sort_keys=False,
            allow_unicode=True,
        ),
        "truths": truth_figures(source),
        "number_charts": list(number_charts(source, measured)),
        **_breakdowns(settings, cases, measured, lesions),
        **pictures,
    }


def _sections(
    settings: Settings, tables: Sequence[Table], pictures: Mapping[str, Any]
) -> list[tuple[str, str]]:
    """Anchors and titles of the table of contents."""
    maps = pictures["attention"]
    kind = "Level sets" if any(example.signed for example in maps) else "Attention"
    figures = settings.figures
    shown = figures.truths or figures.predictions or figures.against
    surfaces = [("surfaces", "Surfaces")] if figures.surfaces else []
    surfaces += [("shown", "Images and predictions")] if shown else []
    return [
        *((table.name, table.heading) for table in tables),
        *([("claims", "Claims")] if settings.claims else []),
        ("spread", "Spread over cases"),
        ("metrics", "All metrics, lesions"),
        *surfaces,
        *([("attention", kind)] if maps else []),
        ("failures", pictures["failures_heading"]),
        ("curves", "Training curves"),
        ("data", "The data"),
        ("cases", "Cases and quarantine"),
        ("registration", "Registration"),
        *([("choices", "Where the paper is silent")] if settings.published else []),
        ("methods", "Methods, ready to paste"),
        ("provenance", "Provenance"),
    ]


def _claims_heading(settings: Settings) -> str:
    """Whose claims they are."""
    ours = {claim.ours or not settings.published for claim in settings.claims}
    if len(ours) > 1:
        return "Claims of the paper, and ours"
    return "Our claims" if True in ours else "The paper's claims"


def _shown_parts(table: Table) -> list[list[str]]:
    """Headings under each column; p stands in the comparisons below the table."""
    return [[part for part in table.parts(c) if part != "p"] for c in table.columns]


def _headings(table: Table) -> list[tuple[str, int]]:
    """Headings above several columns, each with the number of cells that it spans; may be empty."""
    if not any(column.heading for column in table.columns):
        return []
    widths = zip(table.columns, map(len, _shown_parts(table)))
    return [
        (heading, sum(width for _, width in columns))
        for heading, columns in groupby(widths, key=lambda pair: pair[0].heading)
    ]


def _table_files(table: Table) -> list[Download]:
    return [
        download(f"{table.name}.{suffix}", _FORMAT_NAMES[suffix], write(table))
        for suffix, write in FORMATS.items()
    ]


def download(name: str, label: str, content: str) -> Download:
    """A text file as a link that needs no network."""
    kind = _MIME[name.rpartition(".")[2]]
    coded = base64.b64encode(content.encode()).decode("ascii")
    return Download(name, label, f"data:{kind};charset=utf-8;base64,{coded}")


def _breakdowns(
    settings: Settings, cases: pd.DataFrame, measured: pd.DataFrame, lesions: pd.DataFrame
) -> dict[str, Any]:
    """What stands behind the tables, from per-case rows without and with averages, and lesions."""
    cells = measured_cells(settings, cases, settings.scenarios)
    metrics, rows = all_metrics(settings, cells)
    groups, group_rows = by_group(cells, "dice") if "dice" in cases else ([], [])
    return {
        "charts": [*modality_charts(settings, cases), *distributions(settings, measured)],
        "detections": detections(cells),
        "sizes": list(SIZES),
        "size_rows": by_size(cells, lesions),
        "all_metrics": metrics,
        "all_rows": rows,
        "groups": groups,
        "group_rows": group_rows,
        "case_files": [download("metrics.csv", "all per-case rows (CSV)", cases_csv(cases))],
    }


def _pictures(source: Source, cases: pd.DataFrame) -> dict[str, Any]:
    """Examples of cases; a study without Dice has none."""
    several = len(source.settings.data.modalities) > 1
    failing = {"failures_heading": f"Where {'one modality' if several else 'a method'} fails"}
    if "dice" not in cases:
        lacking = "Dice was not measured."
        keys = ("attention", "failures", "surfaces", "predictions")
        none: dict[str, Any] = {key: [] for key in keys}
        return none | failing | {"failures_lacking": lacking, "outlines": ""}
    failures = failure_examples(source, cases)
    shown = {example.scenario for example in failures}
    lacking = [
        scenario for scenario in single_modality_rivals(source.settings) if scenario not in shown
    ]
    text = ""
    if lacking:
        text = (
            f"In the scenario {' or '.join(lacking)} there is no test case to show: ours gains in "
            "none, or the predictions are not there."
        )
    elif not shown:
        text = "No table of this study compares methods with a reference on a single modality."
    return failing | {
        "attention": attention_examples(source, cases),
        "surfaces": surface_figures(source, cases),
        "predictions": prediction_figures(source, cases),
        "outlines": _outlines(source.settings),
        "failures": failures,
        "failures_lacking": text,
    }


def _outlines(settings: Settings) -> str:
    """Which outline is which, in words."""
    if len(settings.data.regions) == 1:
        return "Outlines are red"
    colours = zip(settings.data.regions, cycle(OUTLINES))
    said = (f"{name.replace('_', ' ')} {colour}" for name, colour in colours)
    return f"Outlines: {', '.join(said)}"


def _provenance(
    settings: Settings, data: Path, splits: dict[str, Any], runs: Sequence[Run]
) -> list[tuple[str, str]]:
    sources = data_hash(converted_cases(data), converted_files(splits))
    git, machine = git_state(), hardware()
    commit = git["commit"] + (" with uncommitted changes" if git["dirty"] else "")
    return [
        ("Report made", datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")),
        ("Code", commit),
        ("Data", f"{settings.data.name}, {sources}"),
        ("Configuration", f"{settings.study_id}, {settings_digest(settings)}"),
        ("Training time in total", duration(sum(run.details.get("seconds") or 0 for run in runs))),
        (
            "Machine of this report",
            f"{machine['cpu']}, {machine['cores']} cores, "
            f"{machine['memory_gib']} GiB, {machine['system']}",
        ),
    ]
