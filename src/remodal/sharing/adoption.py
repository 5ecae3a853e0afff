"""Making pulled results known to Snakemake, whoever pulled them: `remodal pull`, or DVC alone."""

from pathlib import Path

from remodal.errors import RemodalError
from remodal.results.files import read_json
from remodal.sharing import snakemake_records
from remodal.sharing.check import Verdict, check_results
from remodal.sharing.contents import modified, restore_times
from remodal.sharing.records import SharedResult, sound_records

#: Where the stages of any study and data set keep their records.
_RECORDS = "results/*/*/records/*.json"


def adopt(verdict: Verdict, absent: list[SharedResult]) -> None:
    """Restore times and Snakemake's records of sound results, and the records of absent ones.

    An absent result's record tells Snakemake if it would now be made differently.
    """
    for result in verdict.sound:
        local = snakemake_records.read_record(str(result.path))
        if local and local["endtime"] == modified(result.path) > result.record["endtime"]:
            # Made again here, with the same content: Snakemake has its record.
            continue
        restore_times(result.path, result.files or {})
        snakemake_records.write_record(str(result.path), result.record)
    for result in absent:
        snakemake_records.write_record(str(result.path), result.record)


def adopt_pulled() -> str:
    """Tell Snakemake about results that `dvc pull` brought, before it plans.

    Only shared results of which Snakemake has no record are looked at, so an ordinary run pays
    nothing for this; of these, only results that equal what was shared are adopted.

    Returns:
        What was done, as a line; empty when there was nothing to do.
    """
    unknown = _unknown_results()
    if not unknown:
        return ""
    try:
        said = _adopt(unknown)
    except RemodalError as error:
        said = f"{len(unknown)} results are here that Snakemake has no record of ({error})"
    return f"remodal: {said}\n"


def _unknown_results() -> set[Path]:
    """Results that are here and were shared, but of which Snakemake has no record."""
    files = sorted(Path().glob(_RECORDS))
    if not files:
        return set()
    recorded = snakemake_records.recorded_outputs()
    try:
        shared = [item for file in files for item in read_json(file)["results"].items()]
    except (KeyError, TypeError, ValueError):
        # Damaged: `remodal verify` names it.
        return set()
    return {
        Path(output)
        for output, described in shared
        if output not in recorded and described["files"] is not None and Path(output).exists()
    }


def _adopt(unknown: set[Path]) -> str:
    # Importing DVC takes a second or two.
    from remodal.sharing.stages import open_repository, shared_stages

    snakemake_records.require_known_format()
    snakemake_records.require_idle()
    repository = open_repository()
    stages = [stage for stage in shared_stages(repository) if stage.shared]
    results, _ = sound_records([stage for stage in stages if stage.records.is_file()])
    here = [result for result in results if result.path in unknown]
    absent = [
        result
        for result in results
        if not result.path.exists() and not snakemake_records.read_record(str(result.path))
    ]
    verdict = check_results(here, Path(repository.cache.local.path), pulled=False)
    adopt(verdict, absent)
    said = f"{len(verdict.sound)} results from DVC are as they were shared: Snakemake knows them"
    others = len(unknown) - len(verdict.sound)
    return f"{said}; {others} are not (`remodal verify` names them)" if others else said
