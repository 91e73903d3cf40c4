"""`leastsq_blocks` on real engines: threads, processes, Dask, Ray. All give the same fit, to the last bit."""

import importlib.util
import multiprocessing
import os
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from block_models import (
    START,
    as_array,
    cut,
    decay,
    decay_jac,
    dies_in_block_3,
    fails_once,
    of_array,
    of_file,
    raises_in_block_3,
    same_fit,
    whereabouts,
)
from pyminpack import BlocksResult, leastsq_blocks

pytestmark = pytest.mark.xdist_group("engines")

SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture(scope="module")
def expected() -> BlocksResult:
    return leastsq_blocks(decay, START, cut())


@pytest.fixture(scope="module")
def processes() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(2, mp_context=SPAWN) as pool:
        yield pool


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """A real cluster of two worker processes, heard on this machine alone."""
    if importlib.util.find_spec("distributed") is None:
        pytest.skip("dask.distributed is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # another project's, while it starts
        import dask
        from distributed import Client, LocalCluster

        dask.config.set({"distributed.admin.tick.limit": "1m", "distributed.worker.memory.terminate": False})
        with (
            LocalCluster(
                n_workers=2,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                dashboard_address=None,
                silence_logs=50,
            ) as cluster,
            Client(cluster) as client,
        ):
            yield client


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    """Ray on two cores, telling nobody, its workers finding block_models."""
    if importlib.util.find_spec("ray") is None:
        pytest.skip("ray is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import ray

        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        ray.init(
            num_cpus=2,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="ERROR",
            _node_ip_address="127.0.0.1",
            runtime_env={"env_vars": {"PYTHONPATH": str(Path(__file__).parents[1])}},
        )
        yield ray
        ray.shutdown()


def ray_map(ray: Any) -> Callable:
    """The adapter of docs/blocks.md."""
    remote = ray.remote(lambda function, index, block: function((index, block)))

    def map_over_workers(function: Callable, items: Any) -> Iterator[Any]:
        function = ray.put(function)
        answers = [remote.remote(function, index, block) for index, block in items]
        return (ray.get(answer) for answer in answers)

    return map_over_workers


# ------------------------------------------------------------------------------------------ threads


@pytest.mark.parametrize("jac", [None, decay_jac], ids=["differences", "jac"])
def test_threads(jac: Any) -> None:
    with ThreadPoolExecutor(4) as pool:
        assert same_fit(
            leastsq_blocks(decay, START, cut(), jac=jac, map=pool.map), leastsq_blocks(decay, START, cut(), jac=jac)
        )


def test_threads_share_the_work(tmp_path: Path) -> None:
    barrier = threading.Barrier(2, timeout=30)

    def func(x: np.ndarray, rows: range) -> np.ndarray:
        barrier.wait()  # two blocks at a time, or not at all
        return decay(x, rows)

    with ThreadPoolExecutor(2) as pool:
        assert leastsq_blocks(func, START, cut(), jac=decay_jac, map=pool.map).success


def test_block_that_raises_in_a_thread_ends_the_others() -> None:
    calls = []

    def func(x: np.ndarray, rows: range) -> np.ndarray:
        calls.append(rows)
        if rows.start == 0:
            raise ZeroDivisionError
        time.sleep(0.02)
        return decay(x, rows)

    with ThreadPoolExecutor(2) as pool, pytest.raises(ZeroDivisionError) as caught:
        leastsq_blocks(func, START, cut(size=10), map=pool.map)
    assert "this was block 0" in caught.value.__notes__[0]
    assert len(calls) < 100


def test_what_has_not_begun_is_called_off_where_the_caller_breaks_off() -> None:
    calls = []

    def func(x: np.ndarray, rows: range) -> np.ndarray:
        calls.append(rows)
        time.sleep(0.02)
        return decay(x, rows)

    def break_off(state: object) -> None:
        raise KeyboardInterrupt

    with ThreadPoolExecutor(2) as pool, pytest.raises(KeyboardInterrupt) as caught:
        leastsq_blocks(func, START, cut(size=10), jac=decay_jac, map=pool.map, progress=break_off)
    assert caught.tb is not None  # which holds all that was going on
    assert len(calls) < 100


# ---------------------------------------------------------------------------------------- processes


def test_processes(processes: ProcessPoolExecutor, expected: BlocksResult) -> None:
    assert same_fit(leastsq_blocks(decay, START, cut(), map=processes.map), expected)


def test_processes_share_the_work(processes: ProcessPoolExecutor, tmp_path: Path) -> None:
    leastsq_blocks(whereabouts, START, cut(size=100), str(tmp_path), map=processes.map)
    assert len(list(tmp_path.iterdir())) == 2


def test_files_go_to_processes_by_their_names(
    processes: ProcessPoolExecutor, tmp_path: Path, expected: BlocksResult
) -> None:
    names = [str(tmp_path / f"{rows.start}.npy") for rows in cut()]
    for name, rows in zip(names, cut(), strict=True):
        np.save(name, as_array(rows))
    assert same_fit(leastsq_blocks(of_file, START, names, map=processes.map), expected)


def test_block_that_raises_in_a_process(processes: ProcessPoolExecutor) -> None:
    with pytest.raises(ZeroDivisionError, match="the model broke") as caught:
        leastsq_blocks(raises_in_block_3, START, cut(), map=processes.map)
    assert "leastsq_blocks: this was block 3, at x = [1., 1., 0.]" in caught.value.__notes__


def test_process_that_dies() -> None:
    with ProcessPoolExecutor(1, mp_context=SPAWN) as pool, pytest.raises(BrokenProcessPool) as caught:
        leastsq_blocks(dies_in_block_3, START, cut(), map=pool.map)
    assert "the next was block 3" in caught.value.__notes__[0]


def test_multiprocessing_pool(expected: BlocksResult) -> None:
    with SPAWN.Pool(2) as pool:
        assert same_fit(leastsq_blocks(decay, START, cut(), map=pool.map), expected)
        assert same_fit(leastsq_blocks(decay, START, cut(), map=pool.imap), expected)
        assert same_fit(leastsq_blocks(decay, START, cut(), map=pool.imap_unordered), expected)
        with pytest.raises(ZeroDivisionError) as caught:
            leastsq_blocks(raises_in_block_3, START, cut(), map=pool.map)
    assert "this was block 3" in caught.value.__notes__[0]


# --------------------------------------------------------------------------------------------- Dask


def test_dask(client: Any, expected: BlocksResult, tmp_path: Path) -> None:
    assert same_fit(leastsq_blocks(decay, START, cut(), map=client.map), expected)
    gathered = leastsq_blocks(decay, START, cut(), map=lambda f, items: client.gather(client.map(f, items)))
    assert same_fit(gathered, expected)
    leastsq_blocks(whereabouts, START, cut(size=100), str(tmp_path), map=client.map)
    assert len({path.name.split("-")[0] for path in tmp_path.iterdir()}) == 2


def transferred(client: Any) -> int:
    """Bytes that workers have got from one another."""
    logs = client.run(lambda dask_worker: [entry["total"] for entry in dask_worker.transfer_incoming_log])
    return sum(map(sum, logs.values()))


def test_blocks_scattered_over_a_cluster_stay_where_they_are(client: Any, expected: BlocksResult) -> None:
    blocks = client.scatter([as_array(rows) for rows in cut()])
    size = sum(as_array(rows).nbytes for rows in cut())
    assert len(set(client.who_has(blocks).values())) == 2
    before = transferred(client)
    assert same_fit(leastsq_blocks(of_array, START, blocks, map=client.map), expected)
    assert transferred(client) - before < size


def test_files_go_to_a_cluster_by_their_names(client: Any, tmp_path: Path, expected: BlocksResult) -> None:
    names = [str(tmp_path / f"{rows.start}.npy") for rows in cut()]
    for name, rows in zip(names, cut(), strict=True):
        np.save(name, as_array(rows))
    assert same_fit(leastsq_blocks(of_file, START, names, map=client.map), expected)


def test_block_that_raises_on_a_cluster(client: Any) -> None:
    with pytest.raises(ZeroDivisionError, match="the model broke") as caught:
        leastsq_blocks(raises_in_block_3, START, cut(), map=client.map)
    assert "leastsq_blocks: this was block 3, at x = [1., 1., 0.]" in caught.value.__notes__


def test_block_that_raises_once_is_tried_again_by_the_cluster(
    client: Any, tmp_path: Path, expected: BlocksResult
) -> None:
    marker = tmp_path / "marker"
    fit = leastsq_blocks(fails_once, START, cut(), str(marker), map=lambda f, items: client.map(f, items, retries=1))
    assert marker.exists()
    assert same_fit(fit, expected)


def test_worker_of_a_cluster_that_dies_is_replaced_or_told_of(client: Any, expected: BlocksResult) -> None:
    """The cluster tries that block on another worker until it has lost as many as it allows."""
    import dask
    from distributed import KilledWorker

    with dask.config.set({"distributed.scheduler.allowed-failures": 0}):
        client.run_on_scheduler(lambda dask_scheduler: setattr(dask_scheduler, "allowed_failures", 0))
        with pytest.raises(KilledWorker) as caught:
            leastsq_blocks(dies_in_block_3, START, cut(), map=client.map)
    assert "blocks were done; the next was block" in caught.value.__notes__[0]
    client.wait_for_workers(2, timeout=30)
    assert same_fit(leastsq_blocks(decay, START, cut(), map=client.map), expected)


# ---------------------------------------------------------------------------------------------- Ray


def test_ray(ray: Any, expected: BlocksResult) -> None:
    assert same_fit(leastsq_blocks(decay, START, cut(), map=ray_map(ray)), expected)
    stored = [ray.put(as_array(rows)) for rows in cut()]
    assert same_fit(leastsq_blocks(of_array, START, stored, map=ray_map(ray)), expected)
    with pytest.raises(ZeroDivisionError, match="the model broke") as caught:
        leastsq_blocks(raises_in_block_3, START, cut(), map=ray_map(ray))
    assert "leastsq_blocks: this was block 3, at x = [1., 1., 0.]" in caught.value.__notes__
