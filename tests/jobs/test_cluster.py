"""Two Ray nodes on this machine, one of which dies."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from clfa.errors import DataError
from clfa.features.embed_job import EmbedJob
from clfa.jobs import cluster as cluster_module
from clfa.jobs.cluster import RayCluster
from clfa.jobs.cluster_options import ClusterOptions
from clfa.jobs.outputs.folder import MANIFEST, read_manifest
from clfa.jobs.run import run_job
from clfa.jobs.trouble import ClusterError
from clfa.prediction.post_classifier import PostClassifier
from clfa.prediction.predict import predict_file
from clfa.prediction.predict_job import PredictJob
from clfa.recipe import load_recipe
from jobs import deadly_predictor, post_reader, slow_predictor, stand_in
from jobs.deadly_predictor import DeadlyLoad
from jobs.expectations import assert_equal_to_one_process
from jobs.post_reader import PostReader, load_reader
from jobs.slow_predictor import SlowLoad, load_model

pytestmark = pytest.mark.slow
pytest.importorskip("ray")

PATIENCE_S = 300.0
# Workers cannot import the tests.
BY_VALUE = (slow_predictor, deadly_predictor, post_reader, stand_in)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head node and another one, each with one processor and little memory."""
    from ray import cloudpickle
    from ray.cluster_utils import Cluster as LocalCluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    for module in BY_VALUE:
        cloudpickle.register_pickle_by_value(module)
    cluster = LocalCluster(
        initialize_head=True,
        head_node_args={
            "num_cpus": 1,
            "object_store_memory": 100_000_000,
            "include_dashboard": False,
            # A dead node is noticed after seconds instead of half a minute.
            "_system_config": {"health_check_period_ms": 1000, "health_check_failure_threshold": 5},
        },
    )
    try:
        cluster.add_node(num_cpus=1, object_store_memory=100_000_000)
        yield cluster
    finally:
        import ray

        ray.shutdown()
        cluster.shutdown()
        for module in BY_VALUE:
            cloudpickle.unregister_pickle_by_value(module)


def wait_for(happened: Callable[[], Any]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.05)


def parts(output: Path) -> list[Path]:
    return list(output.glob("part-*"))


def test_two_nodes_share_the_work(cluster: Any, tiny_run: Path, shard_folder: Path, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    job = PredictJob(str(tiny_run), 4, load=SlowLoad(load_model, str(notes), 0.5))
    result = run_job(job, shard_folder, tmp_path / "out", executor=RayCluster(cluster.address), shard_rows=8)
    assert (result.lost, result.rows) == (0, 40)
    assert len(parts(tmp_path / "out")) == 5
    assert len(list(notes.iterdir())) == 2
    # A shard is one window, which sleeps for half a second.
    assert all(part["seconds"] >= 0.5 for part in read_manifest(tmp_path / "out")["parts"])
    assert result.failures == {"empty text": 1, "missing image": 1, "unreadable image": 1}
    assert_equal_to_one_process(tmp_path / "out", PostClassifier.load(tiny_run), shard_folder)


def test_a_node_killed_at_work(cluster: Any, shard_folder: Path, tmp_path: Path) -> None:
    notes, output = tmp_path / "notes", tmp_path / "out"
    notes.mkdir()
    (node,) = cluster.worker_nodes
    # The node is killed in the two seconds before its first shard.
    job = PredictJob("reader", load=SlowLoad(load_reader, str(notes), 2.0, once=True))
    seen: list[int] = []

    def kill() -> None:
        wait_for((notes / node.node_id).exists)
        seen.append(len(parts(output)))
        cluster.remove_node(node, allow_graceful=False)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        result = run_job(job, shard_folder, output, executor=RayCluster(cluster.address), shard_rows=8)
    finally:
        killer.join(PATIENCE_S)
        cluster.add_node(num_cpus=1, object_store_memory=100_000_000)
    assert seen == [0]
    assert result.lost >= 1
    assert result.rows == 40
    assert_equal_to_one_process(output, PostReader(), shard_folder)
    # Nothing half-written stays.
    names = {path.name for path in output.iterdir()}
    assert names == {*(f"part-{number:06d}.parquet" for number in range(5)), "_plan.json", MANIFEST}


def test_a_row_that_kills_its_worker(
    cluster: Any, shard_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_module, "MAX_ATTEMPTS", 2)
    output = tmp_path / "out"
    # Row 2 of the fourth shard.
    poison = pq.read_table(shard_folder / "1.parquet")["text"][9].as_py()
    texts = [text for path in shard_folder.glob("*.parquet") for text in pq.read_table(path)["text"].to_pylist()]
    assert texts.count(poison) == 1
    job = PredictJob("reader", load=DeadlyLoad(poison))
    with pytest.raises(DataError) as caught:
        run_job(job, shard_folder, output, executor=RayCluster(cluster.address), shard_rows=8)
    assert str(caught.value) == (
        f"1 of 5 shards failed; the others are done.\n  shard 3: {shard_folder / '1.parquet'}: given up after 2 "
        "attempts; the last: its worker was lost\n 32 finished rows are kept; once it is mended, the same call goes on "
        "from there."
    )
    assert {path.name for path in parts(output)} == {f"part-{number:06d}.parquet" for number in (0, 1, 2, 4)}
    # Once the row does no harm, what is missing is done.
    job = PredictJob("reader", load=load_reader)
    result = run_job(job, shard_folder, output, executor=RayCluster(cluster.address), shard_rows=8)
    assert (result.resumed, result.lost, result.rows) == (32, 0, 40)
    assert_equal_to_one_process(output, PostReader(), shard_folder)


def test_workers_that_all_die_end_the_run(
    cluster: Any, shard_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_module, "MOST_LOST", 0)
    monkeypatch.setattr(cluster_module, "MOST_LOST_PER_WORKER", 0)
    poison = pq.read_table(shard_folder / "1.parquet")["text"][9].as_py()
    job = PredictJob("reader", load=DeadlyLoad(poison))
    with pytest.raises(ClusterError, match=r"^more than 0 shards were lost with their workers; the last: "):
        run_job(job, shard_folder, tmp_path / "out", executor=RayCluster(cluster.address, workers=1), shard_rows=8)


def test_a_killed_drivers_work_is_gone_on_with(cluster: Any, shard_folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    program = (
        "import sys\n"
        "folder, source, output, address = sys.argv[1:]\n"
        "sys.path.insert(0, folder)\n"
        "from ray import cloudpickle\n"
        "from clfa.jobs.cluster import RayCluster\n"
        "from clfa.jobs.run import run_job\n"
        "from clfa.prediction.predict_job import PredictJob\n"
        "from jobs import post_reader, stand_in\n"
        "for module in (post_reader, stand_in):\n"
        "    cloudpickle.register_pickle_by_value(module)\n"
        "job = PredictJob('reader', load=post_reader.load_reader)\n"
        "run_job(job, source, output, executor=RayCluster(address, workers=1), shard_rows=8)\n"
    )
    arguments = [str(Path(__file__).parents[1]), str(shard_folder), str(output), cluster.address]
    driver = subprocess.Popen([sys.executable, "-c", program, *arguments], stdout=subprocess.DEVNULL)
    try:
        wait_for(lambda: parts(output) or driver.poll() is not None)
    finally:
        driver.kill()
        driver.wait()
    # As if it had been killed in the midst of the rest.
    for path in sorted(parts(output))[2:]:
        path.unlink()
    (output / MANIFEST).unlink(missing_ok=True)
    executor = RayCluster(cluster.address, workers=1)
    job = PredictJob("reader", load=load_reader)
    result = run_job(job, shard_folder, output, executor=executor, shard_rows=8)
    assert result.resumed >= 8
    assert result.rows == 40
    assert_equal_to_one_process(output, PostReader(), shard_folder)


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_one_file_is_that_of_one_process(
    cluster: Any, tiny_run: Path, shard_folder: Path, tmp_path: Path, kind: str
) -> None:
    alone, output = tmp_path / f"alone.{kind}", tmp_path / f"out.{kind}"
    options: dict[str, Any] = {"batch_size": 1, "precision": "fp32"}
    lists = tmp_path / "alone.failures", tmp_path / "failures"
    predict_file(tiny_run, shard_folder, alone, failures=lists[0], **options)
    # Several workers finish shards in any order; from shards to a file the way is the same for one.
    reached = ClusterOptions(address=cluster.address, workers=2 if kind == "jsonl" else 1)
    summary = predict_file(
        tiny_run, shard_folder, output, engine="ray", shard_rows=8, failures=lists[1], cluster=reached, **options
    )
    assert (summary.rows, sum(summary.failures.values())) == (40, 3)
    assert output.read_bytes() == alone.read_bytes()
    assert lists[1].read_bytes() == lists[0].read_bytes()
    assert not output.with_name(f"{output.name}.partial").exists()


def test_embeddings_are_those_of_one_process(
    cluster: Any, tiny_overrides: list[str], posts_csv: Path, tmp_path: Path
) -> None:
    frozen = ["model.freeze_text_encoder=true", "model.freeze_vision_encoder=true"]
    job = EmbedJob(load_recipe("offline", [*tiny_overrides, *frozen]).model_dump(), 8)
    run_job(job, posts_csv, tmp_path / "ray", executor=RayCluster(cluster.address, workers=1), shard_rows=24)
    run_job(job, posts_csv, tmp_path / "alone", shard_rows=24)
    assert pq.read_table(tmp_path / "ray").num_rows == 64
    assert pq.read_table(tmp_path / "ray").equals(pq.read_table(tmp_path / "alone"))


def test_a_machine_without_the_model(cluster: Any, shard_folder: Path, tmp_path: Path) -> None:
    def absent(job: PredictJob) -> Any:
        from clfa.errors import ModelError

        if "CLFA_TEST_DRIVER" in os.environ:
            return load_reader(job)
        raise ModelError("no such folder on this machine")

    os.environ["CLFA_TEST_DRIVER"] = "1"
    try:
        with pytest.raises(ClusterError, match=r"a worker cannot load the model: no such folder on this machine"):
            run_job(
                PredictJob("reader", load=absent),
                shard_folder,
                tmp_path / "out",
                executor=RayCluster(cluster.address, workers=1),
            )
    finally:
        del os.environ["CLFA_TEST_DRIVER"]
    assert parts(tmp_path / "out") == []
