"""SAM + URIM: streams of the phases, aggregated in space; uncertain regions are filled in.

Source: the SAM and URIM paper on multi-phase liver tumours (modules, loss). SGD at 5e-4, divided by
10 every 50 epochs; the paper gives neither momentum nor batch nor number of epochs. The rows of its
Tables 1 to 3 that share its network are options: `fusion`, `uncertain_region`, `backbone`. What it
leaves open, or a released implementation does otherwise, is an option too.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypeVar

import torch
import torch.nn.functional as F
from pydantic import BaseModel, Field
from torch import Tensor, nn

from remodal.errors import UserError
from remodal.methods.base import listed, named_modality
from remodal.methods.bases.slices import SliceMethod
from remodal.networks.level_decoder import LevelDecoder
from remodal.networks.multi_phase import Answer, MultiPhaseNet, Streams
from remodal.networks.pa_resseg import Attention
from remodal.networks.phase_fusion import Addition, PhaseAttention, TrainedWeights
from remodal.networks.slice_backbones import SHRINKS_BY, Name, make_backbone
from remodal.networks.slices import SEEN, as_volumes, neighbourhoods
from remodal.networks.spatial_aggregation import Maps, Pooling, SpatialAggregation
from remodal.networks.uncertain_region import Form, UncertainRegion
from remodal.objectives.batch import Batch, Step
from remodal.settings import NetworkSettings
from remodal.settings.section import Section

Module = TypeVar("Module", bound=nn.Module)

#: Fusions of features; the others join images, or what comes out.
OF_FEATURES = ("sam", "add", "weights", "phase_attention")


class Options(Section):
    """Options of SAM + URIM."""

    fusion: Literal[
        "sam", "add", "weights", "phase_attention", "concat_input", "concat_output", "none"
    ] = Field(
        "sam",
        description="How modalities are fused: features after the blocks 2 to 5 by `sam`, by "
        "addition, by trained `weights` (MW) or by PA-ResSeg's `phase_attention` (PA); "
        "`concat_input`: the images are one input (ILF); `concat_output`: features of two full "
        "streams before the classifier (DLF); `none`: a single modality (SP).",
    )
    uncertain_region: bool = Field(True, description="Refine the first answer (URIM).")
    backbone: Name = Field(
        "resnext50",
        description="`resnext50` (32x4d), `resnet50` or the encoder of a plain `unet`.",
    )
    shared: bool = Field(
        True, description="One set of weights for the streams of all modalities (Siamese)."
    )
    exchange: bool = Field(
        True,
        description="Whether fused features also go back into the streams, (F + F_aggr) / 2, for "
        "every fusion of features, so that these differ in nothing else.",
    )
    maps: Maps = Field(
        "both",
        description="SAM: a modality's weights come from the maps of `both` (all) or its `own`.",
    )
    pooling: Pooling = Field(
        "parallel",
        description="SAM: global average pooling and the 7 x 7 convolution are `parallel` or "
        "`sequential`.",
    )
    sigmoid_before_softmax: bool = Field(
        False,
        description="SAM: batch norm and a sigmoid before the softmax, which confine the weights "
        "of two modalities to 0.27..0.73 (the released code).",
    )
    attention: Attention = Field(
        "as_released",
        description="PA: factors from row sums of a softmax, all the same, or from `column_sums`.",
    )
    target: str = Field(
        "",
        description="PA: the modality that attends to itself, and to which the others attend; "
        "empty: the last.",
    )
    aspp: bool = Field(
        False, description="Atrous spatial pyramid pooling of block 5 (the released code)."
    )
    dropout: float = Field(
        0.5,
        ge=0,
        lt=1,
        description="Share of the decoder's values dropped in training after its next to last "
        "convolution; a fifth of it after the last (the released code).",
    )
    detach_mask: bool = Field(
        False, description="URIM: no gradient goes through the mask into the first answer."
    )
    partial_conv_scale: bool = Field(
        False, description="URIM: responses times 9, as in a partial convolution; not in eq. 4."
    )
    bias_before_scaling: bool = Field(
        False, description="URIM: the bias is scaled too (the released code)."
    )
    region_batch_norm: bool = Field(
        True, description="URIM: batch norm after each LC-Conv (the released code)."
    )
    sigmoid_after_pooling: bool = Field(
        False,
        description="URIM: a sigmoid of the mask after each pooling, which nearly disables it "
        "(the released code).",
    )
    concat_features: bool = Field(
        True,
        description="URIM: the last convolution also sees the features that came in (the paper; "
        "commented out in the released code).",
    )


class SamUrim(SliceMethod):
    """A row of the paper's tables, by its options; predicts from all its modalities."""

    Options = Options

    def __init__(
        self, modalities: Sequence[str], classes: int, network: NetworkSettings, options: BaseModel
    ) -> None:
        if (options.fusion == "none") != (len(modalities) == 1):
            raise UserError(
                f"method `{self.name}`, option `fusion`: `{options.fusion}` does not fit "
                f"{listed(modalities)}",
                expected="`none` for one modality, another for several",
            )
        wanted = options.target or modalities[-1]
        target = named_modality(self.name, "target", wanted, modalities)
        self.target = list(modalities).index(target)
        super().__init__(modalities, classes, network, options)

    @classmethod
    def patch_multiple(cls, network: NetworkSettings) -> tuple[int, int, int]:
        """That of the backbones, whatever the study's strides."""
        return 1, SHRINKS_BY, SHRINKS_BY

    def build(self, network: NetworkSettings) -> MultiPhaseNet:
        """Twice the settings' width, so that their default has the published 64 channels."""
        options, phases, width = self.options, len(self.modalities), 2 * network.base_width
        images = phases if options.fusion == "concat_input" else 1
        apart = phases if options.fusion == "concat_output" else 1
        backbones = self._each(
            phases // images,
            lambda: make_backbone(options.backbone, images * SEEN, width),
        )
        widths = backbones[0].widths
        fused = options.fusion in OF_FEATURES
        streams = Streams(
            backbones,
            [self._fusion(channels) for channels in widths] if fused else [],
            options.exchange,
        )
        decoders = self._each(
            apart, lambda: LevelDecoder(widths, 4 * width, options.dropout, options.aspp)
        )
        features, outputs = 4 * width * apart, self.classes + 1
        region = None
        if options.uncertain_region:
            region = UncertainRegion(features, outputs, 2 * width, self._form)
        return MultiPhaseNet(streams, decoders, nn.Conv2d(features, outputs, 1), region)

    def _each(self, streams: int, make: Callable[[], Module]) -> list[Module]:
        """One module for each stream, or one for all where they are shared."""
        return [make() for _ in range(1 if self.options.shared else streams)]

    def _fusion(self, width: int) -> nn.Module:
        """What fuses features of so many channels."""
        options, phases = self.options, len(self.modalities)
        if options.fusion == "add":
            return Addition()
        if options.fusion == "weights":
            return TrainedWeights(phases)
        if options.fusion == "phase_attention":
            return PhaseAttention(phases, self.target, options.attention)
        squashed = options.sigmoid_before_softmax
        return SpatialAggregation(phases, width, options.maps, options.pooling, squashed)

    @property
    def _form(self) -> Form:
        options = self.options
        return Form(
            scale=options.partial_conv_scale,
            bias_first=options.bias_before_scaling,
            batch_norm=options.region_batch_norm,
            sigmoid=options.sigmoid_after_pooling,
            detach=options.detach_mask,
            beside=options.concat_features,
        )

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Weights of the whole network, or those of a backbone for every stream.

        Raises:
            RuntimeError: they do not fit.
        """
        if any(name.startswith("streams.") for name in weights):
            super().load(weights)
            return
        for backbone in self.network.streams.backbones:
            backbone.load(weights)

    def answer(self, images: Mapping[str, Tensor]) -> Answer:
        """What the network makes of all slices, one sample after the other.

        Args:
            images: for each modality a (B, 1, Z + 2, Y, X) image.
        """
        slices = [neighbourhoods(image) for image in self.in_order(images)]
        if self.options.fusion == "concat_input":
            slices = [torch.cat(slices, dim=1)]
        return self.network(slices)

    def logits(self, images: Mapping[str, Tensor]) -> Tensor:
        """The final ones of every slice, (B, classes + 1, Z, Y, X)."""
        return as_volumes(self.answer(images).final, self._samples(images))

    def objective(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        """The cross-entropy of the first answer, plus that of the refined one; both are logged."""
        answer, label = self.answer(batch.images), batch.label.flatten(0, 1)
        terms = {"initial": F.cross_entropy(answer.initial.float(), label)}
        if self.options.uncertain_region:
            terms["final"] = F.cross_entropy(answer.final.float(), label)
        logged = {name: term.detach() for name, term in terms.items()}
        return {"loss": sum(terms.values()), **logged}

    @property
    def maps(self) -> list[str]:
        """SAM's weights of each modality; URIM's mask and the answer, initial and refined."""
        shown = list(self.modalities) if self.options.fusion == "sam" else []
        if self.options.uncertain_region:
            shown += ["certainty_initial", "certainty_refined", "answer_initial", "answer_refined"]
        return shown

    def attention(self, images: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """SAM's weights after block 2, averaged over channels; URIM's mask M; 1 - P(background).

        All are in 0..1.
        """
        if not self.supports(images):
            return {}
        return self._shown(self.answer(images), self._samples(images))

    def with_attention(
        self, images: Mapping[str, Tensor], target: str
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Both of one answer."""
        self.require_support(images)
        answer, samples = self.answer(images), self._samples(images)
        p = torch.softmax(as_volumes(answer.final, samples).float(), dim=1)
        return p, self._shown(answer, samples)

    def _shown(self, answer: Answer, samples: int) -> dict[str, Tensor]:
        """The maps of an answer, (B, 1, Z, Y, X) by name."""
        maps = [*answer.weights, *answer.certainty]
        if answer.certainty:
            maps += [1 - logits.softmax(1)[:, :1] for logits in (answer.initial, answer.final)]
        return {name: as_volumes(shown, samples) for name, shown in zip(self.maps, maps)}

    def _samples(self, images: Mapping[str, Tensor]) -> int:
        return len(images[self.modalities[0]])


METHOD = SamUrim
