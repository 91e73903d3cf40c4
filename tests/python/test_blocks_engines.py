"""`leastsq_blocks` on real engines: threads, processes, Dask, Ray. All give the same fit, to the last bit."""

import builtins
import contextvars
import importlib.util
import itertools
import multiprocessing
import os
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from block_models import (
    START,
    as_array,
    changes_its_block,
    cut,
    decay,
    decay_jac,
    dies_in_block_3,
    fails_once,
    of_array,
    of_file,
    raises_in_block_3,
    same_fit,
    stops_in_block_3,
    whereabouts,
)
from pyminpack import BlocksResult, InputValueError, leastsq_blocks

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


@pytest.mark.parametrize("jac", [None, decay_jac], ids=["differences", "jac"])
@pytest.mark.parametrize("number", [1, 2, 4, np.int64(3)], ids=repr)
def test_number_of_threads(number: Any, jac: Any) -> None:
    before = threading.active_count()
    fit = leastsq_blocks(decay, START, cut(), jac=jac, map=number)
    assert same_fit(fit, leastsq_blocks(decay, START, cut(), jac=jac))
    assert threading.active_count() == before


@pytest.mark.parametrize("number", [2, 4])
def test_as_many_threads_as_are_asked_for_work_at_a_time(number: int) -> None:
    barrier = threading.Barrier(number, timeout=30)
    threads = set()

    def func(x: np.ndarray, rows: range) -> np.ndarray:
        threads.add(threading.get_ident())
        barrier.wait()  # so many blocks at a time, or not at all
        return decay(x, rows)

    fit = leastsq_blocks(func, START, cut()[: 3 * number], jac=decay_jac, map=number)
    assert fit.nfev > 1
    assert threading.get_ident() not in threads


def test_threads_read_few_blocks_ahead() -> None:
    """Blocks that are larger than memory once were all read before the first was done."""
    read, done, most = 0, 0, 0

    class Lazily:
        def __iter__(self) -> Iterator[range]:
            nonlocal read, done, most
            read = done = 0
            for rows in cut(size=40):
                read += 1
                most = max(most, read - done)
                yield rows

    def func(x: np.ndarray, rows: range) -> np.ndarray:
        nonlocal done
        done += 1
        return decay(x, rows)

    assert leastsq_blocks(func, START, Lazily(), jac=decay_jac, map=2, progress=lambda state: None).success
    assert most <= 6


VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("VARIABLE", default="nothing")


def states_seen(map: Any, jac: Any = None) -> set[tuple[str, str]]:
    """The states that the functions of a fit run under: a context variable, and what NumPy does on underflow."""
    seen = set()

    def noted(function: Callable) -> Callable:
        def call(x: np.ndarray, rows: range) -> np.ndarray:
            seen.add((VARIABLE.get(), np.geterr()["under"]))
            return function(x, rows)

        return call

    fit = leastsq_blocks(noted(decay), START, cut(), jac=jac and noted(jac), map=map)
    assert fit.success
    return seen


def list_map(function: Callable, items: Any) -> list:
    return [function(item) for item in items]


@pytest.mark.parametrize("jac", [None, decay_jac], ids=["differences", "jac"])
@pytest.mark.parametrize("way", ["map", "list", "4", "executor"])
def test_functions_run_in_the_state_of_their_caller(way: str, jac: Any) -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(abs, range(4)))  # its threads are older than the state
        map = {"map": builtins.map, "list": list_map, "4": 4, "executor": pool.map}[way]
        token = VARIABLE.set("the caller's")
        try:
            with np.errstate(all="raise"):
                assert states_seen(map, jac) == {("the caller's", "raise")}
            assert states_seen(map, jac) == {("the caller's", np.geterr()["under"])}
        finally:
            VARIABLE.reset(token)


def underflows_if_errors_are_ignored(x: np.ndarray, rows: range) -> np.ndarray:
    assert np.geterr()["under"] == "raise", np.geterr()
    return decay(x, rows)


def test_functions_run_in_the_error_state_of_their_caller_in_processes(processes: ProcessPoolExecutor) -> None:
    with np.errstate(all="raise"):
        assert leastsq_blocks(underflows_if_errors_are_ignored, START, cut(), map=processes.map).success
    with np.errstate(all="raise", over="call"):  # a worker does not know what to call
        assert leastsq_blocks(underflows_if_errors_are_ignored, START, cut(), map=processes.map).success


@pytest.mark.parametrize("map", [builtins.map, 2], ids=["map", "threads"])
def test_change_of_state_by_a_callback_is_seen_by_the_functions(map: Any) -> None:
    seen = []

    def func(x: np.ndarray, rows: range) -> np.ndarray:
        seen.append(VARIABLE.get())
        return decay(x, rows)

    def run() -> None:
        leastsq_blocks(func, START, cut(), map=map, callback=lambda state: VARIABLE.set("changed") and None)

    contextvars.copy_context().run(run)
    assert set(seen) == {"nothing", "changed"}


@pytest.mark.parametrize("map", [builtins.map, 2], ids=["map", "threads"])
@pytest.mark.parametrize("kind", ["double", "tiny", "float32", "longdouble", "jac"])
def test_own_arithmetic_raises_nothing_under_any_error_state(kind: str, map: Any) -> None:
    dtype = {"float32": np.float32, "longdouble": np.longdouble}.get(kind, np.float64)
    scale = 1e-300 if kind == "tiny" else 1.0

    def func(x: np.ndarray, rows: range) -> np.ndarray:
        with np.errstate(all="ignore"):
            return (scale * decay(x, rows)).astype(dtype)

    options: dict[str, Any] = {"map": map} | ({"jac": decay_jac} if kind == "jac" else {})
    expected = leastsq_blocks(func, START, cut(), **options)
    with np.errstate(all="raise"):
        fit = leastsq_blocks(func, START, cut(), **options)
        _ = repr(fit), fit.summary(), {**fit}
    assert fit.x.tobytes() == expected.x.tobytes()


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, StopIteration, StopAsyncIteration, GeneratorExit])
@pytest.mark.parametrize("call", [3, 40])
def test_every_exception_of_a_thread_comes_out_as_it_is(kind: type[BaseException], call: int) -> None:
    error = kind("as it is")
    calls = itertools.count()

    def func(x: np.ndarray, rows: range) -> np.ndarray:
        if next(calls) == call:
            raise error
        return decay(x, rows)

    with pytest.raises(kind) as caught:
        leastsq_blocks(func, START, cut(), map=4)
    assert caught.value is error


def test_threads_end_where_the_caller_breaks_off() -> None:
    calls = []

    def func(x: np.ndarray, rows: range) -> np.ndarray:
        calls.append(rows)
        return decay(x, rows)

    def break_off(state: object) -> None:
        raise KeyboardInterrupt

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        leastsq_blocks(func, START, cut(size=10), jac=decay_jac, map=2, progress=break_off)
    assert len(calls) < 20
    assert threading.active_count() == before


@pytest.mark.parametrize("name", ["func", "jac"])
def test_one_array_for_two_threads_gets_an_error_that_names_the_cause(name: str) -> None:
    buffers = {"func": np.empty(200), "jac": np.empty((200, 3))}
    functions = {"func": decay, "jac": decay_jac}
    barrier = threading.Barrier(2)

    def fills(x: np.ndarray, rows: range) -> np.ndarray:
        with suppress(threading.BrokenBarrierError):
            barrier.wait(timeout=1)  # each thread has its turn
        buffers[name][...] = functions[name](x, rows)
        return buffers[name]

    with pytest.raises(InputValueError, match=f"{name} gave the same array to two threads"):
        leastsq_blocks(**{"func": decay, "jac": decay_jac, name: fills}, x0=START, blocks=cut(size=200), map=2)


def test_array_that_stays_as_it_is_may_be_given_to_all_threads() -> None:
    size, constant = 500, np.ones((500, 1))
    barrier = threading.Barrier(2, timeout=30)

    def jac(x: np.ndarray, block: float) -> np.ndarray:
        barrier.wait()
        return constant

    fit = leastsq_blocks(lambda x, block: np.full(size, x[0] - block), [0.0], [1.0, 2.0, 4.0, 5.0], jac=jac, map=2)
    np.testing.assert_allclose(fit.x, 3)


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


def test_stop_iteration_in_a_process_comes_out(processes: ProcessPoolExecutor) -> None:
    with pytest.raises(StopIteration, match="no more") as caught:
        leastsq_blocks(stops_in_block_3, START, cut(), map=processes.map)
    assert "leastsq_blocks: this was block 3, at x = [1., 1., 0.]" in caught.value.__notes__


def test_block_that_is_changed_in_a_process(processes: ProcessPoolExecutor) -> None:
    with pytest.raises(InputValueError, match="func or jac changes block 0 in place"):
        leastsq_blocks(changes_its_block, START, [as_array(rows) for rows in cut()], map=processes.map)


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
