"""clfa: what people mean when they post a picture with a text.

CLFA (CLIP-guided contrastive feature alignment, arXiv:2403.06355) as a library. Names are imported when first used, so
that ``import clfa`` and ``clfa --help`` stay quick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clfa.lazy import lazy_names
from clfa.version import __version__

if TYPE_CHECKING:
    from clfa.data.readers import READERS, read_corpus
    from clfa.data.schema import Corpus
    from clfa.errors import CLFAError, DataError, ImageError, ModelError, RecipeError, TrainingError
    from clfa.guides import GUIDES, Guide, GuideContext
    from clfa.guides.base import Pairs
    from clfa.guides.clip import CLIPGuide
    from clfa.guides.conse import ConSEGuide
    from clfa.guides.fitted import FittedGuide
    from clfa.jobs.outputs import OUTPUTS
    from clfa.knowledge import KNOWLEDGE_SOURCES, LEXICONS
    from clfa.modeling import CLFAConfig, CLFAForClassification, CLFAModel
    from clfa.modeling.alignment import ALIGNMENTS, Alignment
    from clfa.modeling.baselines import BASELINES
    from clfa.modeling.baselines.base import Baseline
    from clfa.modeling.fusion import FUSIONS, Fusion
    from clfa.modeling.pooling import POOLINGS
    from clfa.modeling.readout import READOUTS, Readout
    from clfa.prediction.engines import ENGINES
    from clfa.prediction.pipeline import register_pipeline
    from clfa.prediction.post import Post, Prediction
    from clfa.predictor import CLFAPredictor
    from clfa.pretrained import PACKAGES
    from clfa.processing.collator import CLFACollator
    from clfa.processing.dataset import EncodedDataset
    from clfa.processing.processor import CLFAProcessor
    from clfa.recipe import Recipe, load_recipe
    from clfa.registry import Registry
    from clfa.runs.evaluate import evaluate
    from clfa.runs.train import train
    from clfa.tables.formats import TABLE_FORMATS
    from clfa.targets import CLASS_WEIGHTS, METRICS, PROBLEM_TYPES
    from clfa.targets.target import Target
    from clfa.training import CLFATrainer, CLFATrainingArguments
    from clfa.training.alpha_schedules import ALPHA_SCHEDULES
    from clfa.yardsticks import YARDSTICKS
    from clfa.yardsticks.base import Yardstick, YardstickData, YardstickOutputs

_HOMES = {
    "ALIGNMENTS": "clfa.modeling.alignment",
    "ALPHA_SCHEDULES": "clfa.training.alpha_schedules",
    "Alignment": "clfa.modeling.alignment",
    "BASELINES": "clfa.modeling.baselines",
    "Baseline": "clfa.modeling.baselines.base",
    "CLASS_WEIGHTS": "clfa.targets",
    "CLFACollator": "clfa.processing.collator",
    "CLFAConfig": "clfa.modeling",
    "CLFAError": "clfa.errors",
    "CLFAForClassification": "clfa.modeling",
    "CLFAModel": "clfa.modeling",
    "CLFAPredictor": "clfa.predictor",
    "CLFAProcessor": "clfa.processing.processor",
    "CLFATrainer": "clfa.training",
    "CLFATrainingArguments": "clfa.training",
    "CLIPGuide": "clfa.guides.clip",
    "ConSEGuide": "clfa.guides.conse",
    "Corpus": "clfa.data.schema",
    "DataError": "clfa.errors",
    "ENGINES": "clfa.prediction.engines",
    "EncodedDataset": "clfa.processing.dataset",
    "FUSIONS": "clfa.modeling.fusion",
    "FittedGuide": "clfa.guides.fitted",
    "Fusion": "clfa.modeling.fusion",
    "GUIDES": "clfa.guides",
    "Guide": "clfa.guides",
    "GuideContext": "clfa.guides",
    "ImageError": "clfa.errors",
    "KNOWLEDGE_SOURCES": "clfa.knowledge",
    "LEXICONS": "clfa.knowledge",
    "METRICS": "clfa.targets",
    "ModelError": "clfa.errors",
    "OUTPUTS": "clfa.jobs.outputs",
    "PACKAGES": "clfa.pretrained",
    "POOLINGS": "clfa.modeling.pooling",
    "PROBLEM_TYPES": "clfa.targets",
    "Pairs": "clfa.guides.base",
    "Post": "clfa.prediction.post",
    "Prediction": "clfa.prediction.post",
    "READERS": "clfa.data.readers",
    "READOUTS": "clfa.modeling.readout",
    "Readout": "clfa.modeling.readout",
    "Recipe": "clfa.recipe",
    "RecipeError": "clfa.errors",
    "Registry": "clfa.registry",
    "TABLE_FORMATS": "clfa.tables.formats",
    "Target": "clfa.targets.target",
    "TrainingError": "clfa.errors",
    "YARDSTICKS": "clfa.yardsticks",
    "Yardstick": "clfa.yardsticks.base",
    "YardstickData": "clfa.yardsticks.base",
    "YardstickOutputs": "clfa.yardsticks.base",
    "evaluate": "clfa.runs.evaluate",
    "load_recipe": "clfa.recipe",
    "read_corpus": "clfa.data.readers",
    "register_pipeline": "clfa.prediction.pipeline",
    "train": "clfa.runs.train",
}

__all__ = [
    "ALIGNMENTS",
    "ALPHA_SCHEDULES",
    "BASELINES",
    "CLASS_WEIGHTS",
    "ENGINES",
    "FUSIONS",
    "GUIDES",
    "KNOWLEDGE_SOURCES",
    "LEXICONS",
    "METRICS",
    "OUTPUTS",
    "PACKAGES",
    "POOLINGS",
    "PROBLEM_TYPES",
    "READERS",
    "READOUTS",
    "TABLE_FORMATS",
    "YARDSTICKS",
    "Alignment",
    "Baseline",
    "CLFACollator",
    "CLFAConfig",
    "CLFAError",
    "CLFAForClassification",
    "CLFAModel",
    "CLFAPredictor",
    "CLFAProcessor",
    "CLFATrainer",
    "CLFATrainingArguments",
    "CLIPGuide",
    "ConSEGuide",
    "Corpus",
    "DataError",
    "EncodedDataset",
    "FittedGuide",
    "Fusion",
    "Guide",
    "GuideContext",
    "ImageError",
    "ModelError",
    "Pairs",
    "Post",
    "Prediction",
    "Readout",
    "Recipe",
    "RecipeError",
    "Registry",
    "Target",
    "TrainingError",
    "Yardstick",
    "YardstickData",
    "YardstickOutputs",
    "__version__",
    "evaluate",
    "load_recipe",
    "read_corpus",
    "register_pipeline",
    "train",
]


__getattr__ = lazy_names(__name__, _HOMES, {"Predictor": "clfa.prediction.post_classifier:PostClassifier"})


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
