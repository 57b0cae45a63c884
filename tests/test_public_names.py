from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import clfa


@pytest.mark.parametrize("name", [name for name in clfa.__all__ if name != "__version__"])
def test_every_public_name_is_there(name: str) -> None:
    value = getattr(clfa, name)
    assert name.isupper() or value.__name__ == name


def test_the_names_are_listed() -> None:
    assert {*clfa.__all__} == {*clfa._HOMES, "__version__"}
    assert {*clfa.__all__} <= {*dir(clfa)}
    with pytest.raises(AttributeError, match="module 'clfa' has no attribute 'Trainer'"):
        _ = clfa.Trainer


def test_importing_the_package_or_listing_its_names_loads_nothing_heavy() -> None:
    program = (
        "import sys, clfa; dir(clfa); clfa.CLFAError\n"
        "print(sorted({'torch', 'transformers', 'datasets', 'pandas', 'numpy'} & set(sys.modules)))\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout == "[]\n"


MOVED = {
    "clfa:Predictor": "clfa.prediction.post_classifier:PostClassifier",
    "clfa.pipeline.predict:Predictor": "clfa.prediction.post_classifier:PostClassifier",
    "clfa.pipeline.predict:Post": "clfa.prediction.post:Post",
    "clfa.pipeline.predict:Prediction": "clfa.prediction.post:Prediction",
    "clfa.pipeline.predict:predict_file": "clfa.prediction.predict:predict_file",
    "clfa.pipeline.prepare:load_corpus": "clfa.runs.corpus:load_corpus",
    "clfa.pipeline.train:train": "clfa.runs.train:train",
    "clfa.pipeline.evaluate:evaluate": "clfa.runs.evaluate:evaluate",
    "clfa.modeling.contrastive:GuidedContrastiveLoss": "clfa.modeling.alignment.contrastive:GuidedContrastiveLoss",
    "clfa.modeling.efficientnet_lite:EfficientNetLiteModel": "clfa.packages.efficientnet_lite:EfficientNetLiteModel",
    "clfa.modeling.features:FrozenEncoder": "clfa.modeling.frozen_encoder:FrozenEncoder",
    "clfa.processing.store:FeatureStore": "clfa.store:FeatureStore",
    "clfa.pipeline.run_folder:RunFolder": "clfa.runs.run_folder:RunFolder",
    "clfa.pipeline.train:RunResult": "clfa.runs.train_one:RunResult",
    "clfa.pipeline.evaluate:load_trained": "clfa.runs.trained:load_trained",
    "clfa.modeling.model:CLFAForClassification": "clfa.modeling.classification:CLFAForClassification",
    "clfa.modeling.pooling:MeanPooling": "clfa.modeling.pooling.mean:MeanPooling",
    "clfa.modeling.pooling:ClsPooling": "clfa.modeling.pooling.cls:ClsPooling",
    "clfa.modeling.pooling:MaxPooling": "clfa.modeling.pooling.max:MaxPooling",
}


@pytest.mark.parametrize("old", MOVED)
def test_a_name_of_the_version_before_works_with_a_warning(old: str) -> None:
    module, name = old.split(":")
    home, today = MOVED[old].split(":")
    with pytest.warns(DeprecationWarning, match=rf"^{module}\.{name} is {home}\.{today} now; .* removed in clfa 0\.3"):
        found = getattr(importlib.import_module(module), name)
    assert found is getattr(importlib.import_module(home), today)
    with pytest.raises(AttributeError, match="has no attribute 'absent'"):
        _ = importlib.import_module(module).absent
