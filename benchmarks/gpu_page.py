"""The figures of `gpu.py` as a page."""

import statistics
from collections.abc import Iterator
from typing import Any


def page(found: dict[str, Any]) -> str:
    """The figures as Markdown."""
    about = ", ".join(f"{key} {value}" for key, value in found["machine"].items())
    lines = ["# Benchmarks on a GPU", "", f"Made by `make bench-gpu` ({about}).", ""]
    if found["tiny"]:
        lines += ["Tiny sizes, to try the program: these figures mean nothing.", ""]
    lines += ["| method | fed with | format | s per step | peak GiB | over synthetic |"]
    lines += ["| --- | --- | --- | ---: | ---: | ---: |"]
    for name, steps in found["steps"].items():
        for form, value in steps["synthetic"].items():
            lines.append(_row(name, "one fixed batch", form, value, ""))
        fixed = steps["synthetic"].get("bf16-mixed")
        for place, value in steps["real"].items():
            over = f"{value['seconds'] / fixed['seconds']:.3f}" if fixed else ""
            lines.append(_row(name, f"patches, cases on {place}", "bf16-mixed", value, over))
    lines += ["", "| method | operations per step | share of bf16 peak | 600 epochs, hours |"]
    lines += ["| --- | ---: | ---: | ---: |"]
    for name, steps in found["steps"].items():
        share = f"{steps['share_of_peak']:.1%}" if "share_of_peak" in steps else "unknown"
        hours = f"{steps['hours']:.1f}" if "hours" in steps else "not measured"
        lines.append(f"| {name} | {steps['operations']:.3g} | {share} | {hours} |")
    return "\n".join([*lines, "", *_rest(found)]) + "\n"


def _row(name: str, feed: str, form: str, value: dict[str, float], over: str) -> str:
    seconds, peak = f"{value['seconds']:.4f}", f"{value['peak_gib']:.1f}"
    return f"| {name} | {feed} | {form} | {seconds} | {peak} | {over} |"


def _rest(found: dict[str, Any]) -> Iterator[str]:
    """Inference, precision and resuming; anything that there was no time for is named."""
    if times := found.get("inference"):
        yield f"Prediction over its bare passes: {times['ours'] / times['bare']:.3f}."
        if "monai" in times:
            yield f"Over MONAI: {times['ours'] / times['monai']:.3f}."
    else:
        yield "No time was left for inference."
    if rows := found.get("curves"):
        last = {form: statistics.fmean(losses[-2:]) for form, losses in rows.items()}
        said = ", ".join(f"{loss:.4f} in {form}" for form, loss in last.items())
        yield f"Loss of nnunet over the same batches, mean of the last: {said}."
    else:
        yield "No time was left for the loss curves."
    exact = {True: "equal bit for bit", False: "NOT equal", None: "not tried: no time was left"}
    yield f"A training that was left and gone on with: {exact[found.get('resumes')]}."
