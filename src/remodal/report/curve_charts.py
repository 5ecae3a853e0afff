"""Charts of the trained models' curves."""

from remodal.report.charts import Curve, training_curves
from remodal.report.runs import Run


def curve_chart(runs: list[Run], column: str, axis: str, factor: float = 1.0) -> str:
    """Chart of one column of the curves, a panel per method; empty when nothing was recorded."""
    panels: dict[str, list[Curve]] = {}
    for run in runs:
        if column in run.curves and run.curves[column].notna().any():
            known = run.curves[run.curves[column].notna()]
            curve = Curve(known["epoch"].tolist(), (factor * known[column]).tolist())
            panels.setdefault(run.label, []).append(curve)
    return training_curves(panels, axis) if panels else ""
