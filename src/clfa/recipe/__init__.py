"""Recipe: the complete configuration of a run, read from YAML with ``key=value`` overrides and validated."""

from clfa.recipe.data import DataRecipe
from clfa.recipe.guide import GuideRecipe
from clfa.recipe.load import load_recipe, recipe_dir, recipe_names, validate_knowledge, validate_recipe
from clfa.recipe.model import ModelRecipe
from clfa.recipe.recipe import Recipe
from clfa.recipe.training import TrainingRecipe

__all__ = [
    "DataRecipe",
    "GuideRecipe",
    "ModelRecipe",
    "Recipe",
    "TrainingRecipe",
    "load_recipe",
    "recipe_dir",
    "recipe_names",
    "validate_knowledge",
    "validate_recipe",
]
