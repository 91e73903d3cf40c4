"""`curve_fit_many` by the chunks of Dask and xarray: the same bits as in one call."""

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from many_models import X, answers_of, peak, peak_jacobian, peaks
from pyminpack import CurveFits, curve_fit_many

pytest.importorskip("dask")
import dask
import dask.array as da

SHAPE = (12, 10)
SIGNATURE = "(m),(n)->(n),(n),(n,n),(),()"
Chunks = tuple[int, int]


def cube() -> tuple[np.ndarray, np.ndarray]:
    """Spectra of an image, one of which is spoilt, and where their fits start."""
    y, starts = peaks(120)
    y[17, 3] = np.nan
    starts[40] *= 20
    return y.reshape(*SHAPE, X.size), starts.reshape(*SHAPE, 4)


def lazy(y: Any, starts: Any, **options: Any) -> Any:
    return da.apply_gufunc(
        answers_of,
        SIGNATURE,
        y,
        starts,
        output_dtypes=[float, float, float, float, np.int32],
        **options,
    )


def require_equal(some: Any, others: Any) -> None:
    for one, other in zip(some, others, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("jac", [None, peak_jacobian])
@pytest.mark.parametrize("scheduler", ["synchronous", "threads"])
@pytest.mark.parametrize("chunks", [(12, 10), (5, 3), (1, 1)])
def test_chunks_of_an_array_change_no_bit(chunks: Chunks, scheduler: str, jac: Any) -> None:
    y, starts = cube()
    parts = da.from_array(y, chunks=(*chunks, -1)), da.from_array(starts, chunks=(*chunks, -1))
    found = dask.compute(*lazy(*parts, jac=jac), scheduler=scheduler)
    require_equal(found, answers_of(y, starts, jac))
    assert (found[-1] == -11).sum() == 1


def test_answers_are_written_chunk_by_chunk(tmp_path: Path) -> None:
    """From a file to files, of which no more than a chunk is in memory at a time; each chunk is fitted once."""
    y, starts = cube()
    np.save(tmp_path / "cube.npy", y)
    sizes = []

    def watched(y: Any, starts: Any) -> Any:
        sizes.append(y[..., 0].size)
        return answers_of(y, starts)

    found = da.apply_gufunc(
        watched,
        SIGNATURE,
        da.from_array(np.load(tmp_path / "cube.npy", mmap_mode="r"), chunks=(4, 5, -1)),
        da.from_array(starts, chunks=(4, 5, -1)),
        output_dtypes=[float, float, float, float, np.int32],
    )
    files = [
        np.lib.format.open_memmap(tmp_path / f"{i}.npy", "w+", dtype=one.dtype, shape=one.shape)
        for i, one in enumerate(found)
    ]
    da.store(found, files, scheduler="synchronous")
    assert sizes == [20] * 6
    require_equal(files, answers_of(y, starts))


def test_xarray_keeps_names() -> None:
    xr = pytest.importorskip("xarray")
    y, starts = cube()
    names = ["height", "centre", "width", "base"]
    spectra = xr.DataArray(y, dims=("y", "x", "channel"), coords={"y": np.arange(12.0), "channel": X})
    begin = xr.DataArray(starts, dims=("y", "x", "parameter"), coords={"parameter": names})
    eager = answers_of(y, starts)
    for data in (spectra, spectra.chunk({"y": 5, "x": 4}), spectra.chunk({"y": 1}).transpose("channel", "x", "y")):
        found = xr.apply_ufunc(
            lambda y, starts: answers_of(y, starts)[:2],
            data,
            begin,
            input_core_dims=[["channel"], ["parameter"]],
            output_core_dims=[["parameter"], ["parameter"]],
            dask="parallelized",
            output_dtypes=[float, float],
        )
        for one, other in zip(found, eager, strict=False):
            np.testing.assert_array_equal(one.transpose("y", "x", "parameter").values, other)
        assert float(found[0].sel(parameter="centre", y=3.0, x=2)) == eager[0][3, 2, 1]


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """A cluster of two processes, heard on this machine alone."""
    pytest.importorskip("distributed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # another project's, while it starts
        from distributed import Client, LocalCluster

        dask.config.set({"distributed.admin.tick.limit": "1m", "distributed.worker.memory.terminate": False})
        options = {"host": "127.0.0.1", "dashboard_address": None, "silence_logs": 50}
        with (
            LocalCluster(n_workers=2, threads_per_worker=1, processes=True, **options) as cluster,
            Client(cluster) as client,
        ):
            yield client


@pytest.mark.slow
@pytest.mark.xdist_group("engines")
def test_a_cluster_fits_chunks(client: Any) -> None:
    y, starts = cube()
    parts = da.from_array(y, chunks=(6, 5, -1)), da.from_array(starts, chunks=(6, 5, -1))
    require_equal(dask.compute(*lazy(*parts)), answers_of(y, starts))


MAPS: dict[str, Callable[[Any], Callable[..., Any]]] = {
    "futures": lambda client: lambda function, chunks: client.map(function, list(chunks), pure=False),
    "answers": lambda client: lambda function, chunks: client.gather(client.map(function, list(chunks), pure=False)),
}


@pytest.mark.slow
@pytest.mark.xdist_group("engines")
@pytest.mark.parametrize("jac", [None, peak_jacobian])
@pytest.mark.parametrize("name", MAPS)
def test_a_cluster_as_workers(client: Any, name: str, jac: Any) -> None:
    y, starts = peaks(150)
    by_cluster = curve_fit_many(peak, X, y, starts, jac=jac, chunk=2, workers=MAPS[name](client))
    here = curve_fit_many(peak, X, y, starts, jac=jac, chunk=2)
    for attribute in ("x", "cov", "stderr", "cost", "dof", "nfev", "status", "alone"):
        np.testing.assert_array_equal(getattr(by_cluster, attribute), getattr(here, attribute), err_msg=attribute)
    assert isinstance(by_cluster, CurveFits)
