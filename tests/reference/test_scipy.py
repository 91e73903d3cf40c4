"""`leastsq` beside SciPy's: the same answers, and every difference listed with its cause."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from checks import label
from models import ANSWER, EXACT_T, EXACT_Y, decay, decay_jacobian
from problems.mgh import Run, runs
from pyminpack import leastsq

pytestmark = pytest.mark.scipy

EPS = np.finfo(float).eps

Fit = tuple[np.ndarray, np.ndarray | None, dict[str, Any], str, int]


@pytest.fixture(scope="module")
def scipy_leastsq() -> Callable[..., Any]:
    from scipy.optimize import leastsq

    return leastsq


def triangle(infodict: dict[str, Any]) -> np.ndarray:
    """R, as both document it."""
    return np.triu(infodict["fjac"].T[: infodict["qtf"].size])


def smallest_sine(infodict: dict[str, Any]) -> float:
    """How far the columns of the Jacobian are from being dependent, each in units of its own length."""
    r = triangle(infodict)
    lengths = np.linalg.norm(r, axis=0)
    return np.linalg.svd(r / np.where(lengths > 0, lengths, 1), compute_uv=False)[-1]


# ------------------------------------------------------------------------------------ the standard runs

# Runs 3 and 4, the linear problem of rank 1, end differently in SciPy from one process to the next.
RUNS = [run for run in runs() if run.number not in (3, 4)]
each_run = pytest.mark.parametrize("run", RUNS, ids=lambda run: f"{run.number}-{run.problem.name}")

# How the Jacobian comes about. With an epsfcn just above the machine precision, it is the caller's word.
WAYS: dict[str, Callable[[Run], dict[str, Any]]] = {
    "Dfun": lambda run: {"Dfun": run.problem.jacobian},
    "differences": lambda run: {},
    "differences, epsfcn": lambda run: {"epsfcn": 2.3e-16},
}
each_way = pytest.mark.parametrize("way", WAYS)

# Some parameters don't change the residuals at all. Where epsfcn is left to leastsq, it makes one call more, with
# a longer step, to find out whether the model computes in single precision.
ONE_CALL_MORE = {(5, "differences"), (6, "differences"), (26, "differences")}

# Meyer's model from 10 times the start: after the first step exp(b/(t + c)) is so flat that no residual
# responds to a difference. A Jacobian of zeros passes the test on gtol; SciPy calls that converged (ier 4),
# with residuals of 4e4 at a point that is no minimum. Here it is ier 8.
JACOBIAN_OF_ZEROS = {(26, "differences"), (26, "differences, epsfcn")}

# The columns of the last Jacobian depend on one another up to its error by differences: there is no covariance. SciPy
# inverts R wherever its diagonal has no exact zero.
DEPENDENT_UP_TO_ERROR = {
    *((number, "differences") for number in (20, 23)),
    *((number, "differences, epsfcn") for number in (13, 23)),
}

# Residuals of 1e17 at the start: SciPy's x changes from one process to the next, by differences from
# the 7th digit on, and with it its last Jacobian.
FLIPS_IN_SCIPY = {49}

# Powell's singular function ends where the last two columns of the Jacobian are equally long to the last digit: which
# of them comes first in the factorization is chance, in SciPy from one process to the next.
TIED_COLUMNS = {13, 14, 15}


def fit_both(run: Run, way: str, scipy_leastsq: Callable[..., Any]) -> tuple[Fit, Fit]:
    problem, options = run.problem, WAYS[way](run)
    ours, theirs = (
        fit(problem.residuals, problem.start, full_output=True, **options) for fit in (leastsq, scipy_leastsq)
    )
    return ours, theirs


@each_way
@each_run
def test_standard_runs_end_alike(run: Run, way: str, scipy_leastsq: Callable[..., Any]) -> None:
    (x, _, info, _, ier), (their_x, _, their_info, _, their_ier) = fit_both(run, way, scipy_leastsq)
    key = (run.number, way)
    if info["nfev"] > their_info["nfev"] + (key in ONE_CALL_MORE):
        return  # the end was looked at, and the fit went on
    if ier == 8 and key not in JACOBIAN_OF_ZEROS:
        return  # a parameter has run away, as the last Jacobian shows
    assert info["nfev"] - their_info["nfev"] == (key in ONE_CALL_MORE)
    assert info.get("njev") == their_info.get("njev")
    assert (ier, their_ier) == ((8, 4) if key in JACOBIAN_OF_ZEROS else (their_ier, ier))
    tolerance = 1e-5 if run.number in FLIPS_IN_SCIPY else 1e-12
    np.testing.assert_allclose(x, their_x, rtol=0, atol=tolerance * np.max(np.abs(their_x)))


@each_way
@each_run
def test_infodict_is_the_same(run: Run, way: str, scipy_leastsq: Callable[..., Any]) -> None:
    if run.number in FLIPS_IN_SCIPY:
        pytest.skip("SciPy's last Jacobian changes from process to process")
    (_, _, ours, _, _), (_, _, theirs, _, _) = fit_both(run, way, scipy_leastsq)
    assert ours.keys() == theirs.keys()
    for name in ("nfev", "njev"):
        assert type(ours.get(name)) is type(theirs.get(name))
    if ours["nfev"] > theirs["nfev"] + 1:
        pytest.skip("the end was looked at, and the fit went on")
    in_order = run.number not in TIED_COLUMNS
    for name in ("fvec", "fjac", "ipvt", "qtf"):
        assert ours[name].shape == theirs[name].shape
        assert ours[name].dtype == theirs[name].dtype
        close = 1e-10 * np.max(np.abs(theirs[name]))
        if name == "fvec" or in_order:
            np.testing.assert_allclose(ours[name], theirs[name], rtol=0, atol=close, err_msg=name)


@each_way
@each_run
def test_cov_x_is_the_same(run: Run, way: str, scipy_leastsq: Callable[..., Any]) -> None:
    if run.number in FLIPS_IN_SCIPY:
        pytest.skip("SciPy's last Jacobian changes from process to process")
    (_, cov_x, info, _, ier), (_, their_cov_x, their_info, _, _) = fit_both(run, way, scipy_leastsq)
    if info["nfev"] > their_info["nfev"] + 1 or ier > 4:
        pytest.skip("the end was looked at: the fit went on, or a parameter has run away")
    if (run.number, way) in DEPENDENT_UP_TO_ERROR:
        assert cov_x is None
        assert their_cov_x is not None
        # A change of the Jacobian as small as the error of its differences makes it singular.
        assert smallest_sine(their_info) <= 2 * np.sqrt(1e-10 if "epsfcn" in way else EPS)
        return
    assert (cov_x is None) == (their_cov_x is None)
    if cov_x is not None:
        assert smallest_sine(info) > run.problem.m * EPS
        scale = np.sqrt(np.diag(their_cov_x))
        close = 100 * EPS / smallest_sine(info)
        assert np.max(np.abs(cov_x - their_cov_x) / np.outer(scale, scale)) < close


# ------------------------------------------------------------------------------------------- interface


def test_signature_is_the_same(scipy_leastsq: Callable[..., Any]) -> None:
    ours, theirs = (
        [
            (parameter.name, parameter.kind, parameter.default)
            for parameter in inspect.signature(fit).parameters.values()
        ]
        for fit in (leastsq, scipy_leastsq)
    )
    assert ours == theirs


@pytest.mark.parametrize("maxfev", [1, 2, 5, 9, 20, 1000])
@pytest.mark.parametrize("options", [
    {},
    {"Dfun": decay_jacobian},
    {"Dfun": lambda x: decay_jacobian(x).T, "col_deriv": True},
    {"Dfun": lambda x: np.asfortranarray(decay_jacobian(x))},
    {"epsfcn": 1e-6},
    {"epsfcn": 0.0},
    {"diag": (3.0, 0.1)},
    {"factor": 0.1},
    {"factor": 1e-3, "diag": [1, 2], "Dfun": decay_jacobian},
    {"ftol": 1e-2},
    {"xtol": 1e-2},
    {"gtol": 1e-2},
    {"ftol": 0.0, "xtol": 0.0, "Dfun": decay_jacobian},
], ids=label)  # fmt: skip
def test_options_mean_the_same(options: dict[str, Any], maxfev: int, scipy_leastsq: Callable[..., Any]) -> None:
    x0 = (1.0, 3.0)
    ours, theirs = (fit(decay, x0, full_output=True, maxfev=maxfev, **options) for fit in (leastsq, scipy_leastsq))
    assert ours[4] == theirs[4]
    assert (ours[2]["nfev"], ours[2].get("njev")) == (theirs[2]["nfev"], theirs[2].get("njev"))
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-12)
    assert (ours[1] is None) == (theirs[1] is None)


@pytest.mark.parametrize("x0", [
    [1.0, 2.0], (1, 2), [[1.0, 2.0]], [[1.0], [2.0]], np.array([1, 2]), np.array([1, 2], np.float32),
    np.array([1.0, 9.0, 2.0])[::2], np.asfortranarray([[1.0, 2.0]]),
], ids=repr)  # fmt: skip
def test_start_of_any_shape(x0: Any, scipy_leastsq: Callable[..., Any]) -> None:
    met: list[set] = []

    def func(x: np.ndarray) -> np.ndarray:
        met[-1].add((type(x), x.shape, x.dtype))
        return decay(x)

    results = []
    for fit in (leastsq, scipy_leastsq):
        met.append(set())
        results.append(fit(func, x0))
    (x, ier), (their_x, their_ier) = results
    # SciPy's first call, the one that only looks at the shape, has x0's own dtype.
    as_documented = (np.ndarray, (2,), np.dtype(float))
    assert met[0] == {as_documented}
    assert met[1] == {as_documented, (np.ndarray, (2,), np.asarray(x0).dtype)}
    assert ier == their_ier
    assert x.shape == their_x.shape == (2,)
    np.testing.assert_allclose(x, their_x, rtol=1e-12)


def test_a_number_as_the_start(scipy_leastsq: Callable[..., Any]) -> None:
    for fit in (leastsq, scipy_leastsq):
        x, _ = fit(lambda x: x - 3, 1)
        assert x.shape == (1,)
        assert x == pytest.approx(3)


@pytest.mark.parametrize("args", [(), (2.0,), 2.0, [2.0], None, np.full(9, 2.0), (2.0, 3.0), {"by": 2}], ids=repr)
@pytest.mark.parametrize("jacobian", [False, True])
def test_args_of_any_kind(args: Any, jacobian: bool, scipy_leastsq: Callable[..., Any]) -> None:
    got: list[tuple] = []
    expected = args if isinstance(args, tuple) else (args,)

    def func(x: np.ndarray, *extra: Any) -> np.ndarray:
        got.append(extra)
        return decay(x)

    def jac(x: np.ndarray, *extra: Any) -> np.ndarray:
        got.append(extra)
        return decay_jacobian(x)

    for fit in (leastsq, scipy_leastsq):
        x, _ = fit(func, [1, 2], args, Dfun=jac if jacobian else None)
        np.testing.assert_allclose(x, ANSWER)
    for extra in got:
        assert all(one is other for one, other in zip(extra, expected, strict=True))


def test_args_of_functions_with_names_for_them(scipy_leastsq: Callable[..., Any]) -> None:
    """As people write them: no star before the arguments of func and Dfun."""

    def func(x: np.ndarray, t: np.ndarray, y: np.ndarray) -> np.ndarray:
        return x[0] * np.exp(-x[1] * t) - y

    def jac(x: np.ndarray, t: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.column_stack([np.exp(-x[1] * t), -x[0] * t * np.exp(-x[1] * t)])

    for fit in (scipy_leastsq, leastsq):
        np.testing.assert_allclose(fit(func, [1, 2], (EXACT_T, EXACT_Y))[0], ANSWER)
        np.testing.assert_allclose(fit(func, [1, 2], (EXACT_T, EXACT_Y), Dfun=jac)[0], ANSWER)


@pytest.mark.parametrize(("number", "ier"), [(24, 5), (37, 6), (27, 7), (13, 8)])
def test_without_full_output_a_warning_tells_of_failure(
    number: int, ier: int, scipy_leastsq: Callable[..., Any]
) -> None:
    problem = runs()[number - 1].problem
    for fit in (leastsq, scipy_leastsq):
        with pytest.warns(RuntimeWarning) as record:
            result = fit(problem.residuals, problem.start, Dfun=problem.jacobian, ftol=0.0, xtol=0.0)
        assert [(warning.category, warning.filename) for warning in record] == [(RuntimeWarning, __file__)]
        assert result[1] == ier


# ------------------------------------------------------------------------------------------ refusals


def returns(value: Any) -> Callable[[np.ndarray], Any]:
    return lambda x: value


class Growing:
    """Residuals whose number changes on the third call."""

    def __init__(self, by: int) -> None:
        self.by, self.calls = by, 0

    def __call__(self, x: np.ndarray) -> np.ndarray:
        self.calls += 1
        return decay(x) if self.calls < 3 else np.resize(decay(x), EXACT_T.size + self.by)


def fails(x: np.ndarray) -> np.ndarray:
    raise LookupError("no such model")


X0 = [1.0, 2.0]
Refusals = dict[str, Callable[[], tuple[Any, Any, dict[str, Any]]]]

# What SciPy refuses with a TypeError or a ValueError; code written for it may catch those. (Where it has an
# exception of its own, `_minpack.error`, nothing can be written for it but `except Exception`.)
REFUSED_BY_BOTH: Refusals = {
    "too few residuals": lambda: (returns(np.zeros(1)), X0, {}),
    "no residuals": lambda: (returns(np.zeros(0)), X0, {}),
    "no parameters": lambda: (returns(np.zeros(3)), [], {}),
    "fewer residuals later": lambda: (Growing(-1), X0, {}),
    "more residuals later": lambda: (Growing(+1), X0, {}),
    "residuals are None": lambda: (returns(None), X0, {}),
    "residuals are text": lambda: (returns("text"), X0, {}),
    "residuals are ragged": lambda: (returns([1, [2, 3]]), X0, {}),
    "residuals are a generator": lambda: (lambda x: (r for r in decay(x)), X0, {}),
    "func is no function": lambda: (3, X0, {}),
    "func wants another argument": lambda: (lambda x, t: decay(x), X0, {}),
    "func wants no argument": lambda: (decay, X0, {"args": (1,)}),
    "x0 is text": lambda: (decay, ["a", "b"], {}),
    "x0 is complex": lambda: (decay, [1j, 2], {}),
    "x0 holds None": lambda: (decay, [1.0, None], {}),
    "x0 is ragged": lambda: (decay, [1, [1, 2]], {}),
    "x0 holds dates": lambda: (decay, np.array(["2020-01-01", "2020-01-02"], "M8[D]"), {}),
    "Jacobian of the wrong shape": lambda: (decay, X0, {"Dfun": returns(np.zeros((9, 3)))}),
    "Jacobian transposed": lambda: (decay, X0, {"Dfun": lambda x: decay_jacobian(x).T}),
    "Jacobian not transposed": lambda: (decay, X0, {"Dfun": decay_jacobian, "col_deriv": True}),
    "Jacobian in one dimension": lambda: (decay, X0, {"Dfun": lambda x: decay_jacobian(x).ravel()}),
    "Jacobian is None": lambda: (decay, X0, {"Dfun": returns(None)}),
    "Jacobian is text": lambda: (decay, X0, {"Dfun": returns("text")}),
    "Dfun is no function": lambda: (decay, X0, {"Dfun": 3}),
    "diag negative": lambda: (decay, X0, {"diag": [1, -1]}),
    "diag zero": lambda: (decay, X0, {"diag": [1, 0]}),
    "diag is text": lambda: (decay, X0, {"diag": ["a", "b"]}),
    "ftol negative": lambda: (decay, X0, {"ftol": -1}),
    "xtol negative": lambda: (decay, X0, {"xtol": -1}),
    "gtol negative": lambda: (decay, X0, {"gtol": -1}),
    "ftol is None": lambda: (decay, X0, {"ftol": None}),
    "xtol is text": lambda: (decay, X0, {"xtol": "a"}),
    "factor zero": lambda: (decay, X0, {"factor": 0}),
    "factor negative": lambda: (decay, X0, {"factor": -1}),
    "factor is None": lambda: (decay, X0, {"factor": None}),
    "maxfev is None": lambda: (decay, X0, {"maxfev": None}),
    "maxfev is text": lambda: (decay, X0, {"maxfev": "a"}),
    "epsfcn is text": lambda: (decay, X0, {"epsfcn": "a"}),
    "unknown option": lambda: (decay, X0, {"tolerance": 1}),
    "func raises": lambda: (fails, X0, {}),
    "Dfun raises": lambda: (decay, X0, {"Dfun": fails}),
}


@pytest.mark.parametrize("case", REFUSED_BY_BOTH)
def test_same_except_clause_catches(case: str, scipy_leastsq: Callable[..., Any], capfd: pytest.CaptureFixture) -> None:
    func, x0, options = REFUSED_BY_BOTH[case]()
    with pytest.raises((TypeError, ValueError, LookupError)) as theirs:
        scipy_leastsq(func, x0, **options)
    capfd.readouterr()
    func, x0, options = REFUSED_BY_BOTH[case]()
    kind = next(kind for kind in (TypeError, ValueError, LookupError) if isinstance(theirs.value, kind))
    with pytest.raises(kind):
        leastsq(func, x0, **options)
    assert capfd.readouterr().err == ""


NOT_FINITE = np.where(np.arange(9) == 3, np.nan, 1.0)

# What SciPy takes without a word, and why it is refused here. SciPy's ier is asserted where it has one.
REFUSED_HERE: dict[str, tuple[Any, Any, dict[str, Any], int | None]] = {
    # MINPACK compares NaN with gtol as if it were small: "converged" at the start.
    "x0 is NaN": (decay, [np.nan, 1], {}, 4),
    "x0 is infinite": (decay, [np.inf, 1], {}, 4),
    "residuals NaN at x0": (lambda x: decay(x) * NOT_FINITE, X0, {}, 4),
    "residuals infinite at x0": (lambda x: decay(x) + np.inf, X0, {}, 4),
    "Jacobian NaN": (decay, X0, {"Dfun": lambda x: decay_jacobian(x) * np.nan}, 4),
    # Nothing responds to a small step, or differences of small integers wrap round: "converged" at the start.
    "residuals bool": (lambda x: decay(x) > 0, X0, {}, 4),
    "residuals uint8": (lambda x: (100 * decay(x) ** 2).astype(np.uint8), X0, {}, 4),
    "residuals int32": (lambda x: (100 * decay(x)).astype(np.int32), X0, {}, 4),
    # Masked values count all the same.
    "residuals masked": (lambda x: np.ma.array(decay(x), mask=EXACT_T > 2), X0, {}, None),
    "x0 masked": (decay, np.ma.array([1.0, 2.0], mask=[0, 1]), {}, None),
    # Comparisons with NaN come out one way or another; SciPy runs to maxfev or ignores the test.
    "ftol NaN": (decay, X0, {"ftol": np.nan}, None),
    "factor NaN": (decay, X0, {"factor": np.nan}, None),
    "diag NaN": (decay, X0, {"diag": [1, np.nan]}, None),
    "factor infinite": (decay, X0, {"factor": np.inf}, None),
    # SciPy ignores what is beyond the length.
    "diag too long": (decay, X0, {"diag": [1, 2, 3]}, None),
}


@pytest.mark.parametrize("case", REFUSED_HERE)
@pytest.mark.filterwarnings("ignore")  # SciPy's, and NumPy's about what the residuals compute
def test_what_only_scipy_takes_is_refused(case: str, scipy_leastsq: Callable[..., Any]) -> None:
    func, x0, options, their_ier = REFUSED_HERE[case]
    _, ier = scipy_leastsq(func, x0, **options)
    assert their_ier in (ier, None)
    with pytest.raises((TypeError, ValueError)):
        leastsq(func, x0, **options)


# What only SciPy refuses: there is no doubt about what is meant.
TAKEN_HERE: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "residuals in a column": (lambda x: decay(x)[:, np.newaxis], X0, {}),
    "residuals in a row": (lambda x: decay(x)[np.newaxis], X0, {}),
    "residuals longdouble": (lambda x: decay(x.astype(np.longdouble)), X0, {}),
    "maxfev a float": (decay, X0, {"maxfev": 1e3}),
}


@pytest.mark.parametrize("case", TAKEN_HERE)
def test_what_only_scipy_refuses_is_taken(
    case: str, scipy_leastsq: Callable[..., Any], capfd: pytest.CaptureFixture
) -> None:
    func, x0, options = TAKEN_HERE[case]
    with pytest.raises(Exception):  # noqa: B017, PT011 - SciPy's own kind, which derives from nothing else
        scipy_leastsq(func, x0, **options)
    capfd.readouterr()
    x, ier = leastsq(func, x0, **options)
    assert ier in (1, 2, 3, 4)
    np.testing.assert_allclose(x, ANSWER)


def test_negative_maxfev_stands_for_the_default(scipy_leastsq: Callable[..., Any]) -> None:
    for fit in (scipy_leastsq, leastsq):
        np.testing.assert_allclose(fit(decay, X0, maxfev=-1)[0], ANSWER)


# ------------------------------------------------------------------- where SciPy is wrong, and why


def test_a_reused_result_array_is_copied(scipy_leastsq: Callable[..., Any]) -> None:
    """SciPy keeps the very array that the first call returned: the next call changes it under its feet."""
    results = []
    for fit in (leastsq, scipy_leastsq):
        buffer = np.empty(9)

        def func(x: np.ndarray, buffer: np.ndarray = buffer) -> np.ndarray:
            buffer[:] = decay(x)
            return buffer

        results.append((fit(func, X0, full_output=True), buffer))
    (ours, buffer), (theirs, their_buffer) = results
    np.testing.assert_allclose(ours[0], ANSWER)
    assert not np.shares_memory(ours[2]["fvec"], buffer)
    np.testing.assert_array_equal(theirs[0], X0)
    assert theirs[4] == 4
    assert np.shares_memory(theirs[2]["fvec"], their_buffer)


@pytest.mark.parametrize("Dfun", [None, decay_jacobian])
def test_arguments_can_be_kept(Dfun: Any, scipy_leastsq: Callable[..., Any]) -> None:
    """SciPy hands out a view of its working memory: what was kept of it is the last point, many times over."""
    intact = []
    for fit in (leastsq, scipy_leastsq):
        kept: list[tuple[np.ndarray, np.ndarray]] = []

        def func(x: np.ndarray, kept: list = kept) -> np.ndarray:
            kept.append((x, x.copy()))
            return decay(x)

        np.testing.assert_allclose(fit(func, X0, Dfun=Dfun)[0], ANSWER)
        intact.append(sum(np.array_equal(x, copy) for x, copy in kept) / len(kept))
    assert intact[0] == 1
    assert intact[1] < 0.5


@pytest.mark.parametrize("where", ["func", "Dfun"])
def test_arguments_can_be_changed(where: str, scipy_leastsq: Callable[..., Any]) -> None:
    """The same view lets a function move SciPy's iterate."""

    def spoiling(function: Callable) -> Callable:
        def call(x: np.ndarray) -> np.ndarray:
            result = function(x)
            x[:] = 0
            return result

        return call

    func = spoiling(decay) if where == "func" else decay
    Dfun = spoiling(decay_jacobian) if where == "Dfun" else None
    np.testing.assert_allclose(leastsq(func, X0, Dfun=Dfun, full_output=True)[0], ANSWER)
    np.testing.assert_array_equal(scipy_leastsq(func, X0, Dfun=Dfun, full_output=True)[0], 0)


def test_every_call_counts(scipy_leastsq: Callable[..., Any]) -> None:
    """SciPy's nfev leaves out the calls that only look at the shape."""
    for fit, hidden in ((leastsq, 0), (scipy_leastsq, 2)):
        calls = []
        *_, info, _, _ = fit(lambda x, calls=calls: calls.append(1) or decay(x), X0, full_output=True)
        assert len(calls) == info["nfev"] + hidden


def test_a_model_in_single_precision_is_fitted(scipy_leastsq: Callable[..., Any]) -> None:
    """Differences of 1e-8 vanish in such a model; SciPy takes the Jacobian of zeros for convergence at x0."""

    def func(x: np.ndarray) -> np.ndarray:
        x, t = x.astype(np.float32), EXACT_T.astype(np.float32)
        return (x[0] * np.exp(-x[1] * t) - EXACT_Y.astype(np.float32)).astype(np.float64)

    x, ier = leastsq(func, X0)
    assert ier in (1, 2, 3)
    np.testing.assert_allclose(x, ANSWER, rtol=1e-5)
    x, ier = scipy_leastsq(func, X0)
    assert ier == 4
    np.testing.assert_array_equal(x, X0)


def test_a_jacobian_of_zeros_is_no_success(scipy_leastsq: Callable[..., Any]) -> None:
    for fit, expected in ((leastsq, 8), (scipy_leastsq, 4)):
        *_, ier = fit(lambda x: np.array([1.0, 2.0, 3.0]), X0, full_output=True)
        assert ier == expected
