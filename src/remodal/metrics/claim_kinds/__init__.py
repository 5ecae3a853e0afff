"""What a claim can say about its cells: one file for each kind."""

from remodal.metrics.claim_kinds import better, smaller_gap, within_noise
from remodal.metrics.claim_kinds.kind import Kind

KINDS: dict[str, Kind] = {
    "better": better.KIND,
    "smaller_gap": smaller_gap.KIND,
    "within_noise": within_noise.KIND,
}
