"""CLFA with classifier and losses."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import torch
from torch import nn
from transformers import AutoModelForSequenceClassification, PreTrainedModel

from clfa.modeling.alignment import ALIGNMENTS, AlignmentInputs, GuideBank
from clfa.modeling.base import CLFAPreTrainedModel
from clfa.modeling.blend import Blend
from clfa.modeling.configuration import CLFAConfig
from clfa.modeling.fusion import Stream, stream_names
from clfa.modeling.gather import at_least_float32, gather_rows, process_count, total
from clfa.modeling.model import CLFAModel
from clfa.modeling.outputs import CLFAClassifierOutput, CLFAModelOutput
from clfa.modeling.pooling import masked_mean
from clfa.modeling.readout import Student
from clfa.modeling.readout.agreement import agreement
from clfa.modeling.readout.build import build_readout
from clfa.modeling.returned import require_vectors
from clfa.modeling.task_loss import TaskLoss


class CLFAForClassification(CLFAPreTrainedModel):
    """CLFA with classifier and losses.

    The constructor builds a plain PyTorch model; :func:`clfa.cpu.speed_up` makes it faster on a CPU.
    ``from_pretrained`` and ``from_encoders`` call it.

    Args:
        config: Configuration of the model.
        text_encoder: A loaded text encoder; one with random weights when not given.
        vision_encoder: A loaded vision encoder; one with random weights when not given.
        own_encoders: Whether the model has encoders; the members of a blend read the features of the first one's.

    Example:
        >>> from transformers import BertConfig, ViTConfig
        >>> small = dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
        >>> config = CLFAConfig(
        ...     text_config=BertConfig(vocab_size=30, **small).to_dict(),
        ...     vision_config=ViTConfig(image_size=32, patch_size=16, **small).to_dict(),
        ...     hidden_size=8, num_attention_heads=2, num_labels=2)
        >>> model = CLFAForClassification(config).eval()
        >>> output = model(input_ids=torch.tensor([[1, 2, 3]]), pixel_values=torch.zeros(1, 3, 32, 32))
        >>> tuple(output.logits.shape)
        (1, 2)
    """

    def __init__(
        self,
        config: CLFAConfig,
        text_encoder: PreTrainedModel | None = None,
        vision_encoder: PreTrainedModel | None = None,
        own_encoders: bool = True,
    ) -> None:
        super().__init__(config)
        self.clfa = CLFAModel(config, text_encoder, vision_encoder, own_encoders)
        self.alignment = nn.ModuleDict()
        if config.guide_dim is not None and config.guide_dim != config.hidden_size:
            for modality in config.modalities:
                self.alignment[modality] = nn.Linear(config.hidden_size, config.guide_dim, bias=False)
        self.dropout = nn.Dropout(config.classifier_dropout)
        if config.baseline is not None:
            views = self.clfa.baseline.views
        else:
            views = len(stream_names(config)) if self.clfa.fusion.late else 0
        self.late = views > 0
        if self.late:
            self.classifiers = nn.ModuleList(
                nn.Linear(config.hidden_size, len(config.label_names)) for _ in range(views)
            )
        else:
            self.classifier = nn.Linear(config.hidden_size, len(config.label_names))
        self.readout = build_readout(config)
        self.aligner = ALIGNMENTS.get(config.alignment)(config.temperature)
        self.guide_bank: GuideBank | None = None
        self.task_loss = TaskLoss(config)
        # The first member is this model itself.
        self.members = nn.ModuleList(
            CLFAForClassification(_single(config), own_encoders=False) for _ in range(config.num_members - 1)
        )
        self.blend = Blend(config) if config.blended else None
        self.post_init()

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        pixel_values: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        guide_text_embeds: torch.Tensor | None = None,
        guide_image_embeds: torch.Tensor | None = None,
        guide_index: torch.Tensor | None = None,
        student_rows: torch.Tensor | None = None,
        contents: torch.Tensor | None = None,
        term_ids: torch.Tensor | None = None,
        term_weights: torch.Tensor | None = None,
        **streams: torch.Tensor | None,
    ) -> CLFAClassifierOutput:
        """Classify a batch; compute the losses if labels or guide embeddings are given.

        Args:
            input_ids: See :meth:`CLFAModel.forward`, also for ``attention_mask``, ``token_type_ids``,
                ``pixel_values`` and the further streams.
            labels: Flat vectors of the targets (B, L), see :class:`clfa.targets.target.Target`; or (B,) for a single
                target of width 1, such as the class indices of the default label.
            guide_text_embeds: The frozen guide's text embeddings of the same samples (B, guide width).
            guide_image_embeds: The frozen guide's image embeddings (B, guide width).
            guide_index: Row of each sample in ``guide_bank`` (B,), for ``negatives="bank"``.
            student_rows: Which samples take part where text and image students are compared (B,); all by default.
            contents: Numbers of the samples' text and image (B, 2), see
                :class:`clfa.modeling.alignment.AlignmentInputs`; without them all contents count as different.
            term_ids: Terms of each text (B, N), for a blend with a linear map of terms.
            term_weights: Their weights (B, N), 0 at padding.

        Returns:
            Logits, losses, embeddings and agreement. ``loss = alpha * (text + image alignment) + students_weight *
            students' alignment + beta * classification``, with the terms that the inputs allow, and in training a
            baseline's own loss.
            Of a blend, logits and agreement are those of all members; embeddings and ``pooler_output`` the first one's.
            In training by several processes the losses are those of their whole batch (:mod:`clfa.modeling.gather`).
        """
        output = self.clfa(input_ids, attention_mask, token_type_ids, pixel_values, labels=labels, **streams)
        students = self._students(output)
        embeds = {name: student.embeds for name, student in students.items()}
        classified = self._logits(output)
        logits = self.readout(classified, students)
        require_vectors(f"readout {self.config.readout!r}", logits, classified.shape[-1])
        agreements = [agreement(students["text"], students["image"])] if self.readout.compares else []
        if self.blend is not None:
            assert output.encoded is not None
            members = [member(**output.encoded) for member in self.members]
            present = {"text": output.text_present, "image": output.image_present}
            each = [logits, *(member.logits for member in members)]
            agreements += [member.agreement for member in members if member.agreement is not None]
            agreed = torch.stack(agreements).mean(dim=0) if agreements else None
            logits = self.blend(each, output.encoded, present, term_ids, term_weights, agreed)
        alignment = self._align(
            embeds,
            {"text": guide_text_embeds, "image": guide_image_embeds},
            {"text": output.text_present, "image": output.image_present},
            guide_index,
            student_rows,
            contents,
        )
        loss = classification = targets = None
        auxiliary = output.loss_auxiliary
        if labels is not None:
            if self.training and process_count() > 1:
                classification, targets, auxiliary = self._losses_everywhere(logits, labels, auxiliary)
            else:
                classification, targets = self.task_loss(logits, labels)
            loss = self.total_loss(classification, alignment, self.config.alpha, auxiliary)
        return CLFAClassifierOutput(
            loss=loss,
            logits=logits,
            loss_classification=classification,
            loss_targets=targets,
            loss_text_alignment=alignment.get("text"),
            loss_image_alignment=alignment.get("image"),
            loss_students_alignment=alignment.get("students"),
            loss_auxiliary=auxiliary,
            text_embeds=embeds.get("text"),
            image_embeds=embeds.get("image"),
            pooler_output=output.pooler_output,
            agreement=torch.stack(agreements).mean(dim=0) if agreements else None,
        )

    def join(
        self,
        others: Sequence[CLFAForClassification],
        scale: torch.Tensor,
        wide: Mapping[str, torch.Tensor] | None,
        agreement: tuple[torch.Tensor, torch.Tensor] | None = None,
    ) -> None:
        """Make this trained model a blend with others that have the same configuration and the same encoders.

        Args:
            others: Further members; their encoders are left out.
            scale: Weight of each member, this one first, by output (1 + number of others, L).
            wide: State of :class:`clfa.modeling.wide.WideBranch`; ``None`` for a blend without it.
            agreement: Weight and bias (L,) of the agreement; ``None`` for a blend without it.

        Raises:
            ValueError: When this model or another one is a blend already.
        """
        if self.blend is not None or any(other.blend is not None for other in others):
            raise ValueError("a blend cannot be blended again; join its members' models instead.")
        for other in others:
            other.clfa.text_encoder = other.clfa.vision_encoder = None
        terms = None if wide is None else wide.get("terms_weight")
        config: CLFAConfig = self.config  # type: ignore[assignment]
        config.num_members = 1 + len(others)
        config.blended, config.wide, config.blend_agreement = True, wide is not None, agreement is not None
        config.num_terms = 0 if terms is None else len(terms)
        self.members = nn.ModuleList(others)
        self.blend = Blend(config)
        self.blend.scale.copy_(scale)
        if wide is not None:
            assert self.blend.wide is not None
            self.blend.wide.load_state_dict(dict(wide))
        if agreement is not None:
            for name, values in zip(("agreement_weight", "agreement_bias"), agreement, strict=True):
                self.blend.get_buffer(name).copy_(values)
        self.blend.to(self.device)

    def _students(self, output: CLFAModelOutput) -> dict[str, Student]:
        students = {}
        for name, embeds, present in (
            ("text", output.text_embeds, output.text_present),
            ("image", output.image_embeds, output.image_present),
        ):
            if embeds is not None:
                tokens: Stream | None = None
                if self.readout.reads_tokens and output.streams is not None:
                    stream = output.streams[name]
                    tokens = stream._replace(hidden=self._aligned(name, stream.hidden))
                students[name] = Student(self._aligned(name, embeds), tokens, present)
        return students

    def _aligned(self, name: str, vectors: torch.Tensor) -> torch.Tensor:
        """Map projected vectors of a modality (..., ``hidden_size``) to the guide's width, if it is another one."""
        return self.alignment[name](vectors) if name in self.alignment else vectors

    def _losses_everywhere(
        self, logits: torch.Tensor, labels: torch.Tensor, auxiliary: torch.Tensor | None
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor], torch.Tensor | None]:
        """Compute the losses of the whole batch; the mean of the processes' losses would weight samples unequally."""
        (all_logits,) = at_least_float32(logits)
        all_logits, all_labels = gather_rows(all_logits, labels)
        if self.config.baseline is not None:
            # Every process must call the collective, also one whose samples give no auxiliary loss.
            own = logits.sum() * 0 if auxiliary is None else auxiliary
            auxiliary = total(own * (len(labels) / len(all_labels)))
        return *self.task_loss(all_logits, all_labels), auxiliary

    def _align(
        self,
        students: dict[str, torch.Tensor],
        guides: dict[str, torch.Tensor | None],
        present: dict[str, torch.Tensor | None],
        index: torch.Tensor | None,
        student_rows: torch.Tensor | None,
        contents: torch.Tensor | None,
    ) -> dict[str, torch.Tensor]:
        known = {name: embeds for name, embeds in guides.items() if embeds is not None}
        if not known and (self.aligner.needs_guide or not self.training):
            return {}
        bank = None
        if self.config.negatives == "bank" and self.guide_bank is not None and students:
            bank = self.guide_bank = self.guide_bank.to(next(iter(students.values())).device)
        has = {name: mask for name, mask in present.items() if mask is not None}
        return self.aligner(AlignmentInputs(students, known, has, bank, index, student_rows, contents))

    def _logits(self, output: CLFAModelOutput) -> torch.Tensor:
        if not self.late:
            return self.classifier(self.dropout(output.pooler_output))
        assert output.last_hidden_state is not None
        vectors = self.dropout(output.last_hidden_state).unbind(dim=1)
        each = torch.stack([head(vector) for head, vector in zip(self.classifiers, vectors, strict=False)], dim=1)
        return masked_mean(each, output.fused_mask)

    def total_loss(
        self,
        classification: torch.Tensor,
        alignment: dict[str, torch.Tensor],
        alpha: float,
        auxiliary: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """``alpha * sum(alignment) + beta * classification`` (CLFA, equation of the total loss), and further terms.

        These are ``students_weight`` times the entry ``students`` of the alignment, and ``auxiliary``.

        Args:
            classification: Loss of the targets, scalar.
            alignment: Guided contrastive loss per modality, scalars; perhaps ``students``.
            alpha: Weight of the losses per modality; a schedule may change it during training.
            auxiliary: Auxiliary loss of a baseline, scalar, already weighted.

        Returns:
            Scalar.
        """
        total = self.config.beta * classification
        guided = [loss for name, loss in alignment.items() if name != "students"]
        if alpha and guided:
            total = total + alpha * torch.stack(guided).sum()
        if "students" in alignment:
            total = total + self.config.students_weight * alignment["students"]
        return total if auxiliary is None else total + auxiliary


def _single(config: CLFAConfig) -> CLFAConfig:
    """Return the configuration of one member of a blend."""
    single = copy.deepcopy(config)
    single.num_members, single.num_terms = 1, 0
    single.blended = single.wide = single.blend_agreement = False
    return single


AutoModelForSequenceClassification.register(CLFAConfig, CLFAForClassification)
