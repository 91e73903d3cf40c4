"""Shapes of data and results, and what is refused."""

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from many_models import T, decay, decays
from pyminpack import CurveFits, InputTypeError, OptionError, ShapeError, curve_fit_many

batches = st.lists(st.integers(0, 4), max_size=3).map(tuple)


@settings(max_examples=60, deadline=None)
@given(
    batch=batches,
    m=st.integers(2, 9),
    own_x=st.booleans(),
    own_start=st.booleans(),
    errors=st.sampled_from([None, "number", "shared", "own"]),
    masks=st.booleans(),
    chunk=st.one_of(st.just("auto"), st.integers(1, 9)),
)
def test_any_shape(
    batch: tuple[int, ...], m: int, own_x: bool, own_start: bool, errors: str | None, masks: bool, chunk: Any
) -> None:
    x = np.linspace(0, 2, m)
    count = int(np.prod(batch))
    slopes = np.arange(1.0, count + 1).reshape(batch)
    y = 1 + slopes[..., np.newaxis] * x
    p0 = np.stack([np.zeros(batch), slopes + 1], axis=-1) if own_start else [0, 1]
    sigma = {None: None, "number": 2.0, "shared": 1 + x, "own": 1 + abs(y)}[errors or None]
    mask = np.zeros(y.shape, bool) if masks else None
    fits = curve_fit_many(
        lambda x, a, b: a + b * x,
        np.broadcast_to(x, y.shape) if own_x else x,
        y,
        p0,
        sigma=sigma,
        mask=mask,
        chunk=chunk,
    )
    assert fits.x.shape == fits.stderr.shape == (*batch, 2)
    assert fits.cov.shape == (*batch, 2, 2)
    for name in ("cost", "reduced_chi2", "nfev", "status", "success", "alone", "dof"):
        assert getattr(fits, name).shape == batch
    assert fits.success.all()
    np.testing.assert_allclose(fits.x[..., 1], slopes, rtol=1e-6)
    for place in np.ndindex(*batch):
        assert fits.message(*place).startswith("Converged")


@pytest.mark.parametrize("batch", [(0,), (3, 0), (0, 2, 5)])
def test_no_fits(batch: tuple[int, ...]) -> None:
    def never(t: Any, a: Any, b: Any) -> Any:
        raise AssertionError

    fits = curve_fit_many(never, T, np.empty((*batch, T.size)), [1, 1])
    assert isinstance(fits, CurveFits)
    assert fits.x.shape == (*batch, 2)
    assert fits.status.shape == batch


@pytest.mark.parametrize(
    "options",
    [
        {"xdata": np.empty((3, 0, 20))},
        {"mask": np.zeros((3, 0, 20), bool), "sigma": np.empty((3, 0, 20))},
        {"p0": np.empty((3, 0, 2)), "jac": decay},
        {"workers": 2, "bounds": ([0, 0], [3, 3])},
        {"loss": "huber", "broadcast": "try"},
    ],
    ids=lambda options: " ".join(options),
)
def test_no_fits_with_options(options: dict[str, Any]) -> None:
    arguments = {"xdata": T, "ydata": np.empty((3, 0, T.size)), "p0": [1, 1], **options}
    fits = curve_fit_many(decay, **arguments)
    assert fits.stderr.shape == (3, 0, 2)
    assert fits.cov.shape == (3, 0, 2, 2)
    assert fits.success.shape == fits.reduced_chi2.shape == (3, 0)
    assert len(repr(fits)) > 0


def test_no_points() -> None:
    fits = curve_fit_many(decay, [], np.empty((3, 0)), [1, 1])
    assert fits.status.tolist() == [-11] * 3
    assert "empty" in fits.message(0)


def test_a_single_fit_has_no_index() -> None:
    fits = curve_fit_many(decay, T, decays(1)[0], [1, 1])
    assert fits.x.shape == (2,)
    assert fits.status.shape == ()
    assert fits.message().startswith("Converged")


def test_messages_by_place() -> None:
    y = decays(6).reshape(2, 3, T.size)
    y[1, 2, 0] = np.nan
    fits = curve_fit_many(decay, T, y, [1, 1])
    assert "ydata[0]" in fits.message(1, 2)
    assert fits.message(-1, -1) == fits.message((1, 2)) == fits.message(1, 2)
    assert fits.message(0, 0).startswith("Converged")
    with pytest.raises(IndexError):
        fits.message(0)
    with pytest.raises(IndexError):
        fits.message(2, 0)
    assert len(fits) == 2


def test_messages_of_later_chunks() -> None:
    y = decays(60)
    y[50, 2] = np.nan
    fits = curve_fit_many(decay, T, y, [1, 1], chunk=1)
    assert "ydata[2]" in fits.message(50)


def test_starts_by_name_and_by_function() -> None:
    y = decays(5)
    plain = curve_fit_many(decay, T, y, [1, 2])
    for p0 in ({"b": 2}, lambda x, y: [1, 2], lambda x, y: np.tile([1.0, 2.0], (5, 1)), np.array([[1, 2]] * 5)):
        np.testing.assert_array_equal(curve_fit_many(decay, T, y, p0).x, plain.x)
    assert curve_fit_many(decay, T, y).success.all()


def test_bounds_by_name() -> None:
    fits = curve_fit_many(decay, T, decays(5), bounds={"b": (0.5, 1)})
    assert (fits.x[:, 1] >= 0.5).all()
    assert (fits.x[:, 1] <= 1).all()


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.float16])
def test_data_of_other_kinds(dtype: type) -> None:
    y = (100 * decays(3)).astype(dtype)
    np.testing.assert_array_equal(
        curve_fit_many(decay, T, y, [100, 1]).x, curve_fit_many(decay, T, y.astype(float), [100, 1]).x
    )


REFUSED: list[tuple[str, dict[str, Any], type[Exception], str]] = [
    ("f", {"f": 3}, InputTypeError, "f is of type int"),
    ("a number", {"ydata": 3.0}, ShapeError, "points along the last axis"),
    ("x", {"xdata": [1, 2, 3]}, ShapeError, "xdata has shape (3,)"),
    ("own x", {"xdata": np.zeros((4, 2, 20))}, ShapeError, "batch dimensions (5,)"),
    ("p0", {"p0": np.ones((4, 2))}, ShapeError, "p0 has shape (4, 2)"),
    ("no p0", {"p0": []}, InputTypeError, "there are no parameters"),
    ("NaN", {"p0": [1, np.nan]}, ValueError, "p0 is [ 1. nan]"),
    ("sigma", {"sigma": np.ones((3, 20))}, ShapeError, "sigma has shape (3, 20)"),
    ("mask", {"mask": np.ones((3, 20), bool)}, ShapeError, "mask has shape (3, 20)"),
    ("mask of numbers", {"mask": np.ones(20)}, OptionError, "mask must hold True"),
    ("complex", {"xdata": np.ones(20, complex)}, InputTypeError, "xdata must hold real numbers, not complex128"),
    ("text", {"ydata": ["a", "b"]}, InputTypeError, "ydata must hold numbers"),
    ("jac", {"jac": "4-point"}, OptionError, "jac is '4-point'"),
    ("chunk", {"chunk": 0}, OptionError, "chunk is 0"),
    ("chunk of text", {"chunk": "all"}, OptionError, "chunk is 'all'"),
    ("workers", {"workers": 0}, OptionError, "workers is 0"),
    ("broadcast", {"broadcast": "no"}, OptionError, "broadcast is 'no'"),
    ("loss", {"loss": "square"}, OptionError, "loss is 'square'"),
    ("ftol", {"ftol": -1}, OptionError, "ftol is -1"),
    ("maxfev", {"maxfev": 0}, OptionError, "is 0"),
    ("bounds", {"bounds": ([2, 2], [1, 1])}, OptionError, "the lower one must not be above"),
]


@pytest.mark.parametrize(("options", "kind", "text"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_is_refused(options: dict[str, Any], kind: type[Exception], text: str) -> None:
    arguments = {"f": decay, "xdata": T, "ydata": decays(5), "p0": [1, 1], **options}
    with pytest.raises(kind, match=re.escape(text)):
        curve_fit_many(**arguments)
