"""The Transformers Trainer with CLFA's losses, parameter groups and logs."""

from __future__ import annotations

import dataclasses
import math
import os
from collections import defaultdict
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate.data_loader import prepare_data_loader
from safetensors.torch import load_file
from torch import nn
from torch.utils.data import DataLoader
from transformers import EarlyStoppingCallback, EvalPrediction, Trainer
from transformers.trainer_callback import PrinterCallback, ProgressCallback
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR, seed_worker

from clfa.checksums import write_checksums
from clfa.cpu import busy, clip_gradients, speed_up
from clfa.errors import DataError, ModelError, RecipeError, TrainingError
from clfa.evaluation.inference import by_length
from clfa.files import save_tensors
from clfa.modeling.alignment import GuideBank
from clfa.modeling.outputs import CLFAClassifierOutput
from clfa.pretrained import pretrained_model
from clfa.processing.collator import INDEX, CLFACollator
from clfa.store import key_numbers
from clfa.targets.default_label import logged_losses, logged_metrics
from clfa.targets.target import Target
from clfa.training.alpha_schedules import alpha_factor
from clfa.training.arguments import CLFATrainingArguments
from clfa.training.averaging import WeightAverage
from clfa.training.best_beside import BestBeside
from clfa.training.divergence import diverged, first_not_finite, not_finite, sample_names
from clfa.training.fixed_tensors import fixed_tensors
from clfa.training.length_groups import LengthGroupedSampler
from clfa.training.lora import has_adapters
from clfa.training.mean_loss import mean_loss
from clfa.training.mixed_batches import MixedBatches
from clfa.training.process_batches import ProcessBatches
from clfa.training.process_seeds import ProcessSeeds
from clfa.training.progress import EvaluationLines, QuietProgress

UNFROZEN_WEIGHTS_FILE = "unfrozen_weights.safetensors"

# Model outputs that evaluation ignores; targets differ between batches and cannot be gathered.
_NOT_EVALUATED = [
    field.name for field in dataclasses.fields(CLFAClassifierOutput) if field.name not in ("loss", "logits")
]
_ALIGNED = ("text", "image", "students")
_LOSS_PARTS = ("loss_classification", *(f"loss_{name}_alignment" for name in _ALIGNED), "loss_auxiliary")


class CLFATrainer(Trainer):
    """Train a :class:`clfa.modeling.CLFAForClassification`.

    With ``torchrun`` or ``accelerate launch``, several processes train together. The losses are then computed over the
    batch of all processes, ``per_device_train_batch_size`` times the number of processes.

    Args:
        model: The model.
        args: The training arguments.
        train_dataset: A :class:`clfa.processing.dataset.EncodedDataset`, with guide embeddings if alpha is not 0.
        eval_dataset: The validation split, on which the best epoch is chosen.
        kwargs: Other arguments of :class:`transformers.Trainer`; collator, metrics and early stopping have defaults.

    Example:
        >>> trainer = CLFATrainer(model, args, train_dataset=train, eval_dataset=validation)  # doctest: +SKIP
        >>> trainer.train()                                                                  # doctest: +SKIP
    """

    args: CLFATrainingArguments

    def __init__(self, model: nn.Module, args: CLFATrainingArguments, **kwargs: Any) -> None:
        processor = kwargs.get("processing_class")
        tokenizer = getattr(processor, "tokenizer", None)
        if processor is not None and tokenizer is None and hasattr(processor, "image_processor"):
            # The Trainer reads a processor's tokenizer; an image-only model has none.
            kwargs["processing_class"] = processor.image_processor
        kwargs.setdefault("data_collator", CLFACollator(getattr(tokenizer, "pad_token_id", None) or 0))
        if isinstance(kwargs["data_collator"], CLFACollator):
            kwargs["data_collator"] = dataclasses.replace(kwargs["data_collator"], keep_index=True)
        configuration: Any = model.config
        self._targets: list[Target] = configuration.target_list
        kwargs.setdefault("compute_metrics", partial(_metrics, self._targets))
        callbacks = [BestBeside(), *(kwargs.pop("callbacks", None) or [])]
        if args.early_stopping_patience:
            callbacks.append(EarlyStoppingCallback(args.early_stopping_patience))
        self.average = WeightAverage(args.ema_decay) if args.ema_decay else None
        if self.average is not None:
            callbacks.append(self.average)
        if args.world_size > 1:
            callbacks.append(ProcessSeeds())
        self._model_class = type(model)
        self._in_checkpoint = False
        self._evaluating = False
        self._parts: dict[str, list[torch.Tensor]] = defaultdict(list)
        # Positions in the training set and outputs of the last batch, for messages.
        self._last_index: torch.Tensor | None = None
        self._last_logits: torch.Tensor | None = None
        super().__init__(model, args, callbacks=[*callbacks, EvaluationLines()], **kwargs)
        if self.average is not None and self.is_fsdp_enabled:
            raise RecipeError("ema_decay does not support FSDP's sharded weights; set it to 0, or use DDP.")
        classifier: Any = model
        if self.is_fsdp_enabled and any(map(has_adapters, model.modules())):
            raise RecipeError("training.lora does not support FSDP's sharded weights; leave it out, or use DDP.")
        if classifier.config.negatives == "bank":
            classifier.guide_bank = guide_bank(kwargs.get("train_dataset"))
        for printer in (PrinterCallback, ProgressCallback):
            self.remove_callback(printer)
        if not args.disable_tqdm:
            self.add_callback(QuietProgress())

    def train(self, *args: Any, **kwargs: Any) -> Any:
        """Train as :meth:`transformers.Trainer.train` does, but keep freed memory between steps on a CPU.

        Raises:
            TrainingError: If a loss, gradient or weight is not finite; the message has the step and the samples.
        """
        try:
            with self._busy():
                result = super().train(*args, **kwargs)
            self._check_weights()
            return result
        finally:
            if self.optimizer is not None:
                self._plain_optimizer.grad_scale = None

    @property
    def _plain_optimizer(self) -> Any:
        """The optimiser without Accelerate's wrapper."""
        return getattr(self.optimizer, "optimizer", self.optimizer)

    def _clip_grad_norm(self, model: nn.Module) -> torch.Tensor:
        norm = None
        if self.args.device.type == "cpu" and not self.is_fsdp_enabled:
            norm = clip_gradients(self._plain_optimizer, model.parameters(), self.args.max_grad_norm)
        if norm is None:
            norm = super()._clip_grad_norm(model)
        # With fp16, gradients overflow now and then; the scaler skips these steps.
        if norm is not None and not self.args.fp16 and not math.isfinite(norm):
            raise self._diverged(f"the gradient is {float(norm)}")
        return norm

    def training_step(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Train on a batch.

        Raises:
            TrainingError: If the loss is not finite.
        """
        loss: torch.Tensor = super().training_step(*args, **kwargs)
        if not torch.isfinite(loss):
            parts = {name: values[-1].item() for name, values in self._parts.items() if values}
            raise self._diverged(f"the loss is {loss.item()}", parts)
        return loss

    def _diverged(self, what: str, parts: dict[str, float] | None = None) -> TrainingError:
        samples = sample_names(self.train_dataset, self._last_index, not_finite(self._last_logits))
        return diverged(what, self.state.global_step + 1, samples, self.args.learning_rate, parts)

    def _check_weights(self) -> None:
        name = first_not_finite(self.accelerator.unwrap_model(self.model))
        if name is not None:
            samples = sample_names(self.train_dataset, self._last_index)
            raise diverged(
                f"weights of {name} are not finite", self.state.global_step, samples, self.args.learning_rate
            )

    def _busy(self, fixed: nn.Module | None = None) -> AbstractContextManager[None]:
        return busy(fixed) if self.args.device.type == "cpu" else nullcontext()

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        """Return the total loss of a batch, with the scheduled alpha; store its parts for the log."""
        inputs = dict(inputs)
        index = inputs.pop(INDEX, None)
        outputs = model(**inputs)
        loss = outputs.loss
        if model.training:
            self._last_index, self._last_logits = index, outputs.logits.detach()
            module = self.accelerator.unwrap_model(model)
            alignment = {
                name: outputs[f"loss_{name}_alignment"]
                for name in _ALIGNED
                if outputs.get(f"loss_{name}_alignment") is not None
            }
            progress = self.state.global_step / max(self.state.max_steps, 1)
            alpha = module.config.alpha * alpha_factor(self.args.alpha_schedule, progress)
            loss = module.total_loss(outputs.loss_classification, alignment, alpha, outputs.get("loss_auxiliary"))
            if self.args.world_size > 1:
                # DistributedDataParallel expects a gradient for all parameters that contribute to the outputs.
                unused = (outputs.get(name) for name in ("text_embeds", "image_embeds", "pooler_output"))
                loss = loss + sum(0 * tensor.sum() for tensor in unused if tensor is not None)
            for name in _LOSS_PARTS:
                if outputs.get(name) is not None:
                    self._parts[name].append(outputs[name].detach())
            for name, part in logged_losses(self._targets, outputs.loss_targets).items():
                self._parts[name].append(part.detach())
        return (loss, outputs) if return_outputs else loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log with the mean of each loss part since the last log."""
        if "loss" in logs:
            for name, values in self._parts.items():
                logs[name] = torch.stack(values).mean().item()
            self._parts.clear()
        if "train_loss" in logs:
            # Transformers has the mean of the steps since a resumption.
            logs.pop("train_loss")
            logs |= mean_loss(self.state.log_history, self._initial_global_step, self.state.global_step, self._tr_loss)
        super().log(logs, start_time)
        # Checkpoints contain the history as JSON, which has no NaN.
        entry: dict[str, Any] = self.state.log_history[-1]
        entry |= {name: None for name, value in entry.items() if isinstance(value, float) and not math.isfinite(value)}

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        dataset: Any = self.train_dataset if train_dataset is None else train_dataset
        lengths = dataset.lengths() if self.args.group_by_length and hasattr(dataset, "lengths") else None
        if lengths is None:
            return super()._get_train_sampler(train_dataset)
        return LengthGroupedSampler(lengths, self.args.train_batch_size * self.args.world_size, seed=self.args.seed)

    def _get_eval_sampler(self, eval_dataset: Any) -> Any:
        return by_length(eval_dataset) if self._evaluating else super()._get_eval_sampler(eval_dataset)

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Return the training loader; with several processes, each batch is divided between them."""
        args, processes = self.args, self.args.world_size
        dataset: Any = self.train_dataset
        batches: ProcessBatches
        if args.unlabelled_share:
            batches = self._mixed_batches(dataset)
        else:
            sampler = self._get_train_sampler() if processes > 1 else None
            if sampler is None or args.dataloader_drop_last:
                return super().get_train_dataloader()
            batches = ProcessBatches(sampler, args.train_batch_size * processes, args.process_index, processes)
        loader = DataLoader(
            dataset,
            batch_sampler=batches,
            collate_fn=self.data_collator,
            num_workers=args.dataloader_num_workers,
            pin_memory=args.dataloader_pin_memory,
            persistent_workers=args.dataloader_persistent_workers,
            prefetch_factor=args.dataloader_prefetch_factor,
            worker_init_fn=partial(seed_worker, num_workers=args.dataloader_num_workers, rank=args.process_index),
        )
        # num_processes=1, because Accelerate would otherwise divide the batches again and fill up the last one.
        return prepare_data_loader(
            loader,
            self.accelerator.device,
            num_processes=1,
            process_index=0,
            put_on_device=True,
            use_seedable_sampler=True,
            data_seed=args.data_seed,
        )

    def _mixed_batches(self, dataset: Any) -> MixedBatches:
        """Return batches of the samples with any label, with a share of those without one."""
        args = self.args
        missing = np.isnan(dataset.labels).all(axis=1)
        labelled, unlabelled = np.flatnonzero(~missing).tolist(), np.flatnonzero(missing).tolist()
        if not unlabelled:
            raise DataError("unlabelled_share is above 0, and all training samples have labels; set it to 0.")
        lengths = dataset.lengths() if args.group_by_length else None
        # With equal lengths, the sampler's order is that of a plain shuffle.
        known = [0] * len(labelled) if lengths is None else [lengths[index] for index in labelled]
        size = args.train_batch_size * args.world_size
        sampler = LengthGroupedSampler(known, size, seed=args.seed)
        return MixedBatches(
            sampler, labelled, unlabelled, size, args.unlabelled_share, args.process_index, args.world_size
        )

    def prediction_step(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        prediction_loss_only: bool,
        ignore_keys: list[str] | None = None,
    ) -> Any:
        """Return loss, logits and labels of a batch; other outputs are not gathered from the processes."""
        inputs = {name: value for name, value in inputs.items() if name != INDEX}
        return super().prediction_step(model, inputs, prediction_loss_only, [*(ignore_keys or []), *_NOT_EVALUATED])

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Evaluate, with averaged weights if enabled; samples are ordered by length, which does not change metrics."""
        self._evaluating = True
        try:
            lower = self.args.bf16 and not self.is_fsdp_enabled
            with self._averaged(), self._busy(self.accelerator.unwrap_model(self.model) if lower else None):
                return super().evaluate(*args, **kwargs)
        finally:
            self._evaluating = False

    def _averaged(self) -> AbstractContextManager[None]:
        return (
            nullcontext() if self.average is None else self.average.applied(self.accelerator.unwrap_model(self.model))
        )

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        self._check_weights()
        # The model of a checkpoint is the evaluated one; the weights for resuming are in a separate file.
        with self._averaged():
            self._in_checkpoint = True
            try:
                super()._save_checkpoint(model, trial)
                # Of several processes, each writes files of its own, at any time.
                if self.args.world_size == 1:
                    name = f"{PREFIX_CHECKPOINT_DIR}-{self.state.global_step}"
                    write_checksums(Path(str(self.args.output_dir)) / name)
            except RuntimeError as error:
                if not any(part in str(error) for part in ("PytorchStreamWriter", "iostream")):
                    raise
                # PyTorch's message about a full disk has its own lines of C++.
                folder = self.args.output_dir
                raise OSError(f"{folder}: the checkpoint of step {self.state.global_step} cannot be written") from error
            finally:
                self._in_checkpoint = False

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        module: Any = self.accelerator.unwrap_model(self.model)
        fixed = fixed_tensors(module)
        if not (self._in_checkpoint and fixed and output_dir) or self.is_fsdp_enabled:
            super()._save(output_dir, state_dict)
        elif self.args.should_save:
            self._save_unfrozen(module, fixed, output_dir)
        if self.average is not None and self._in_checkpoint and output_dir and self.args.should_save:
            self.average.save_trained(Path(output_dir))

    def _save_unfrozen(self, module: Any, fixed: set[str], output_dir: str) -> None:
        # Encoders are large; where they do not change, only the finished model contains them.
        save_tensors(
            os.path.join(output_dir, UNFROZEN_WEIGHTS_FILE),
            {name: tensor.detach().contiguous() for name, tensor in module.state_dict().items() if name not in fixed},
        )

    def whole_model(self) -> Any:
        """Return the model with all weights, for use in the main process. FSDP distributes weights over processes.

        All processes must call this method.
        """
        if not self.is_fsdp_enabled:
            return self.model
        # Only needed with FSDP.
        from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

        sharded: Any = self.model
        module: Any = self.accelerator.unwrap_model(sharded)
        # Not with Accelerate, which loses the information about sharding when its state is initialised again.
        weights = get_model_state_dict(sharded, options=StateDictOptions(full_state_dict=True, cpu_offload=True))
        if not self.accelerator.is_main_process:
            return module
        whole = speed_up(self._model_class(module.config)).to(self.args.device)
        whole.load_state_dict(weights)
        return whole

    def _load_best_model(self) -> None:
        if self.is_fsdp_enabled:
            super()._load_best_model()
            return
        self._load_weights(str(self.state.best_model_checkpoint))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        if self.is_fsdp_enabled:
            super()._load_from_checkpoint(resume_from_checkpoint, model)
            return
        self._load_weights(resume_from_checkpoint)
        if self.average is not None:
            self.average.resume(self.accelerator.unwrap_model(self.model), Path(resume_from_checkpoint))

    def _load_weights(self, checkpoint: str) -> None:
        # Transformers saves the tensors of some encoders under other names than the module's. Only `from_pretrained`
        # maps them back; the Trainer's loading would print a warning and not load such an encoder.
        module: Any = self.accelerator.unwrap_model(self.model)
        unfrozen = Path(checkpoint) / UNFROZEN_WEIGHTS_FILE
        if unfrozen.is_file():
            report = module.load_state_dict(load_file(unfrozen), strict=False)
            absent = sorted(set(report.missing_keys) - fixed_tensors(module))
            if absent or report.unexpected_keys:
                problem = (absent or report.unexpected_keys)[0]
                raise ModelError(f"{checkpoint} is a checkpoint of another model: tensor {problem!r} does not fit.")
        else:
            module.load_state_dict(pretrained_model(type(module), checkpoint).state_dict())

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """Create the optimiser with four parameter groups: encoders or not, with or without weight decay.

        There is no weight decay on bias and LayerNorm.
        """
        module: Any = self.model if model is None else model
        if self.optimizer is None:
            decayed = set(self.get_decay_parameter_names(module))
            groups: dict[tuple[bool, bool], list[nn.Parameter]] = defaultdict(list)
            for name, parameter in module.named_parameters():
                if parameter.requires_grad:
                    groups[("_encoder." in name, name in decayed)].append(parameter)
            encoder_rate = self.args.encoder_learning_rate
            optimizer_class, options = self.get_optimizer_cls_and_kwargs(self.args, module)
            self.optimizer = optimizer_class(
                [
                    {
                        "params": parameters,
                        "weight_decay": self.args.weight_decay if decay else 0.0,
                        "lr": encoder_rate if encoder and encoder_rate is not None else self.args.learning_rate,
                    }
                    for (encoder, decay), parameters in groups.items()
                ],
                **options,
            )
        return self.optimizer


def guide_bank(dataset: Any) -> GuideBank | None:
    """Return all guide embeddings of a training set, with equal contents in one group; ``None`` without a guide.

    Args:
        dataset: A :class:`clfa.processing.dataset.EncodedDataset`.
    """
    embeds = getattr(dataset, "guide_embeds", None)
    if embeds is None:
        return None
    sides = {"text": dataset.text_keys, "image": dataset.image_keys}
    return GuideBank(
        {name: torch.from_numpy(np.ascontiguousarray(side)) for name, side in zip(sides, embeds, strict=True)},
        {name: _groups(keys, len(dataset)) for name, keys in sides.items()},
    )


def _groups(keys: list[bytes] | None, size: int) -> torch.Tensor:
    return torch.arange(size) if keys is None else torch.from_numpy(key_numbers(keys))


def _logits(prediction: EvalPrediction) -> np.ndarray:
    return prediction.predictions[0] if isinstance(prediction.predictions, tuple) else prediction.predictions


def _metrics(targets: list[Target], prediction: EvalPrediction) -> dict[str, float]:
    logits = _logits(prediction)
    if not np.isfinite(logits).all():
        raise TrainingError(
            "the model's outputs for validation samples are not finite; lower the learning rate. No model was saved."
        )
    labels = np.asarray(prediction.label_ids, dtype=np.float64).reshape(len(logits), -1)
    return logged_metrics(targets, labels, logits)
