from __future__ import annotations

from pathlib import Path

import pytest

from clfa.experiments import Experiment, plan_runs, write_results
from clfa.experiments.corpora import Corpora
from clfa.experiments.execute import execute, write_error
from posts import make_posts, write_csv

NASTY = '<script>alert("x")</script> | great & bad'


@pytest.fixture(scope="session")
def finished_experiment(tmp_path_factory: pytest.TempPathFactory, tiny_overrides: list[str]) -> Path:
    """Folder of a tiny experiment on two drawn splits, text-only, alpha 0 and guided; one run failed.

    Every text of the test split carries markup.
    """
    folder = tmp_path_factory.mktemp("experiment")
    posts = make_posts(folder)
    for post in posts:
        post["text"] = f"{post['text']} {NASTY}"
    table = write_csv(folder / "posts.csv", posts)
    experiment = Experiment.model_validate(
        {
            "name": "tiny <b>experiment</b> [x](javascript:x)",
            "description": "words & more | `code` [x](data:text/html,x)",
            "recipe": "offline",
            "data": {"dir": str(table)},
            "seeds": [1, 2],
            "overrides": [*tiny_overrides, "training.epochs=2"],
            "rows": [
                {
                    "name": "text-only",
                    "group": "one modality",
                    "overrides": ["model.vision_encoder=null", "guide.name=none", "training.learning_rate=1e-5"],
                    "matrix": {},
                },
                {"name": "CLFA", "group": "both <i>"},
            ],
            "matrix": {"model.alpha": {"alpha 0": 0, "guided": 0.5}},
            "baseline_row": "text-only",
            "compare": [["CLFA, guided", "CLFA, alpha 0"]],
            "score_test": True,
            "published": "mvsa-single",
        }
    )
    output = folder / "out"
    output.mkdir()
    runs, corpora = plan_runs(experiment), Corpora()
    for run in runs[:-1]:
        assert execute(run, output, corpora).status == "finished"
    write_error(output, runs[-1], "it broke <here>")
    experiment.save(output / "experiment.yaml")
    write_results(output, runs)
    return output
