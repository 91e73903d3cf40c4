"""The problems of the table in batches: MINPACK's, NIST's and published ones, beside random neighbours."""

from typing import Any

import numpy as np
import pytest

from judge import EPS, Landscape, judge, rounding
from many_models import Array, fit_alone, strd_model
from problems import mgh, published, puromycin, strd
from pyminpack import CurveFit, CurveFits, curve_fit_many

pytestmark = [
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),  # overflow of models far away
    pytest.mark.filterwarnings("ignore::pyminpack.UnidentifiableWarning"),
]

NEIGHBOURS = 4
CASES = [pytest.param(case, id=f"{case.name}-{case.m}x{case.n}") for case in mgh.CASES]


def of_each(function: Any) -> Any:
    """A function of one x, called for each fit: the fit last."""

    def f(_: Any, *p: Any) -> Any:
        if np.ndim(p[0]) == 0:
            return function(np.array(p))
        return np.stack([function(np.array(x)) for x in zip(*p, strict=True)], axis=-1)

    return f


def require_as_alone(fits: CurveFits, i: int, single: Any) -> None:
    """The same success or failure; and parameters that agree to what either end promises."""
    assert fits.success[i] == isinstance(single, CurveFit)
    if not fits.success[i]:
        assert fits.status[i] == single.result.status
        return
    determined = np.isfinite(single.stderr)
    np.testing.assert_array_equal(np.isfinite(fits.stderr[i]), determined)
    np.testing.assert_allclose(fits.cost[i], single.result.cost, rtol=1e-7, atol=1e-25)
    close = 1e-9 * abs(single.x) + 1e-3 * single.stderr
    assert (abs(fits.x[i] - single.x) <= close)[determined].all()


@pytest.mark.parametrize("given", [False, True], ids=["differences", "Jacobian"])
@pytest.mark.parametrize("case", CASES)
def test_minpack_s_problems_beside_random_neighbours(case: mgh.Case, given: bool) -> None:
    """From all starts of the driver; neighbours have other data and start elsewhere."""
    problems = [mgh.problem(case, factor) for factor in mgh.FACTORS[: case.starts]]
    random = np.random.default_rng([case.number, case.n, case.m])
    near = problems[0].start * random.uniform(0.8, 1.2, (NEIGHBOURS, case.n)) + 0.1 * random.normal(size=case.n)
    starts = np.concatenate([[problem.start for problem in problems], near])
    y = np.concatenate([np.zeros((len(problems), case.m)), 0.1 * random.normal(size=(NEIGHBOURS, case.m))])
    f, x = of_each(problems[0].residuals), np.arange(float(case.m))
    jac = of_each(problems[0].jacobian) if given else None

    order = random.permutation(len(starts))
    fits = curve_fit_many(f, x, y[order], starts[order], jac=jac)
    places = np.argsort(order)
    for i in range(len(problems)):
        require_as_alone(fits, places[i], fit_alone(f, x, y[i], starts[i], jac=jac))
        one = curve_fit_many(f, x, y[i], starts[i], jac=jac)
        np.testing.assert_array_equal(fits.x[places[i]], one.x)
        np.testing.assert_array_equal(fits.cov[places[i]], one.cov)
        assert fits.status[places[i]] == one.status
        assert not one.success or np.isinf(one.stderr).any() or is_known(np.sqrt(2 * one.cost), case)


def is_known(norm: Any, case: mgh.Case) -> bool:
    """Whether this is the norm of residuals at one of the known minima."""
    return any(abs(norm - best) <= 1e-6 * best + 1e-7 for best in case.best_norms)


PUBLISHED = {
    "oxygen demand": (published.demand, published.DAYS, published.DEMAND, published.DEMAND_PARAMETERS, 1e-5),
    "contrived": (
        published.contrived,
        published.CONTRIVED_X,
        published.CONTRIVED_Y,
        published.CONTRIVED_PARAMETERS,
        1e-3,
    ),
    "Puromycin": (puromycin.reaction, puromycin.CONCENTRATION, puromycin.VELOCITY, puromycin.PARAMETERS, 1e-3),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_fits_beside_random_neighbours(name: str) -> None:
    f, x, y, parameters, digits = PUBLISHED[name]
    random = np.random.default_rng(11)
    count = NEIGHBOURS + 1
    data = y + np.std(y) * 0.1 * random.normal(size=(count, y.size))
    starts = parameters * random.uniform(0.8, 1.2, (count, parameters.size))
    data[3], starts[3] = y, 0.9 * parameters
    fits = curve_fit_many(f, np.broadcast_to(x, (count, *x.shape)), data, starts)
    np.testing.assert_allclose(fits.x[3], parameters, rtol=digits)
    one = curve_fit_many(f, x, y, starts[3])
    np.testing.assert_array_equal(fits.x[3], one.x)
    np.testing.assert_array_equal(fits.stderr[3], one.stderr)
    for i in range(count):
        require_as_alone(fits, i, fit_alone(f, x, data[i], starts[i]))


# A thousand starts, or as many as a fraction of a second allows.
STARTS = {"Hahn1": 25, "ENSO": 20, "MGH10": 50, "Gauss1": 60, "Gauss2": 60, "Gauss3": 60, "Thurber": 100}
STARTS |= {"Lanczos1": 100, "Lanczos2": 100, "Lanczos3": 100, "Bennett5": 100, "Eckerle4": 200}


@pytest.mark.parametrize("name", strd.names())
def test_nist_s_data_from_a_thousand_starts(name: str) -> None:
    """Every success is NIST's minimum, or another one; or it says that parameters cannot be told apart."""
    data, model = strd.load(name), strd_model(name)
    random = np.random.default_rng(7)
    count = STARTS.get(name, 1000)
    starts = data.starts[1] * random.uniform(0.85, 1.15, (count, data.certified.size))
    fits = curve_fit_many(model, data.x.T, np.broadcast_to(data.response, (count, data.response.size)), starts)
    assert fits.success.mean() > 0.8

    is_certified = fits.success & (2 * fits.cost < data.rss * (1 + 1e-6))
    assert is_certified.mean() > 0.5
    if name != "Lanczos1":  # data without noise, whose sum of squares is rounding
        np.testing.assert_allclose(2 * fits.cost[is_certified], data.rss, rtol=1e-7)
        off = abs(np.abs(fits.x) - abs(data.certified))[is_certified] / data.certified_se
        assert (np.median(off, axis=0) < 1e-4).all()
    for i in np.flatnonzero(fits.success & ~is_certified & np.isfinite(fits.stderr).all(axis=1))[:5]:
        assert judge(land(data), fits.x[i]).is_minimum
    for i in range(3):
        require_as_alone(fits, i, fit_alone(model, data.x.T, data.response, starts[i]))


def land(data: strd.StrdDataset) -> Landscape:
    n = data.certified.size

    def noise(x: Array) -> Array:
        return rounding(EPS, data.model(x), data.jacobian(x), x)

    free = np.full(n, np.inf)
    return Landscape(data.residuals, data.jacobian, -free, free, noise, noise, abs(data.certified))
