"""Checking results where they lie, against what was shared and when they were made."""

from pathlib import Path

from remodal.sharing import snakemake_records
from remodal.sharing.check import CHANGED, Mismatch, changed_by_hand, check_results, summarised
from remodal.sharing.records import is_in_git, is_within, made_here, sound_records
from remodal.sharing.stages import open_repository, shared_stages


def verify() -> list[str]:
    """Check results here against what was shared or, if not shared, against when they were made.

    Returns:
        What was found, one line each.

    Raises:
        Mismatch: results that are not what was shared, or that were changed by hand.
    """
    snakemake_records.require_known_format()
    repository = open_repository()
    stages = shared_stages(repository)
    shared = [stage for stage in stages if stage.shared and stage.records.is_file()]
    results, problems = sound_records(shared)
    whole = {path for stage in shared for path in stage.results if path.exists()}
    here = [one for one in results if one.files is not None and is_within(one.path, whole)]
    here += [one for one in results if is_in_git(one, shared) and one.path.exists()]
    here = list({result.path: result for result in here}.values())
    verdict = check_results(here, Path(repository.cache.local.path), pulled=False)
    known = {result.path for result in here}
    made = [
        (output, record)
        for of_stage in made_here(stages).values()
        for output, record in of_stage
        if Path(output).exists() and Path(output) not in known
    ]
    changed = [(path, CHANGED) for path in changed_by_hand(made, [])]
    lines = summarised(problems + verdict.problems + changed, [])
    if lines:
        raise Mismatch(lines)
    said = [f"{len(verdict.sound)} results are as they were shared"]
    said += [f"{path}: made again here since it was shared" for path in verdict.made_again]
    if made:
        said.append(f"{len(made)} results were not shared; none was changed since it was made")
    return said
