"""`LevenbergMarquardt` in rough hands: any sequence of what users can do, with functions that misbehave at any call."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from models import jacobian, residuals, tall, tall_jacobian
from pyminpack import LevenbergMarquardt, least_squares
from rough.fits import list_map, own_loss
from rough.hostile import Hostile, assert_next_fit_is_right, only_known_errors, some, tricks

PROBLEMS = {"small": (residuals, jacobian, [1.0, 1.0]), "tall": (tall, tall_jacobian, [1.0, 1.0, 0.0])}
BEST = {name: least_squares(fun, x0, jac).cost for name, (fun, jac, x0) in PROBLEMS.items()}
MOST_EVALUATIONS = 25
OPTIONS = [
    {},
    {"x_scale": np.array([2.0, 0.5])},
    {"bounds": (np.array([0.0, 0.0]), np.array([2.2, 2.0]))},
    {"loss": "soft_l1", "f_scale": 0.05},
    {"loss": own_loss},
    {"fixed": np.array([True, False])},
    {"workers": list_map},
    {"workers": lambda function, items: [function(item) for item in items][:-1]},
    {"workers": lambda function, items: [function(item) for item in items] * 2},
    {"workers": lambda function, items: map(function, items)},
    {"gtol": None, "ftol": 1e-3},
    {"accel": True},
    {"accel": True, "loss": "soft_l1", "f_scale": 0.05},
]  # fmt: skip


class RoughHands(RuleBasedStateMachine):
    """One fit, and what may happen to it."""

    @initialize(
        problem=st.sampled_from(list(PROBLEMS)),
        way=st.sampled_from(["2-point", "3-point", "cs", "given", "together"]),
        options=st.sampled_from(OPTIONS),
        of_fun=tricks(),
        of_jac=tricks(),
    )
    def begin(
        self, problem: str, way: str, options: dict[str, Any], of_fun: dict[int, str], of_jac: dict[int, str]
    ) -> None:
        fun, jac, start = PROBLEMS[problem]
        self.problem, self.options, self.x0 = problem, options, np.array(start)
        more = {}
        for name, value in options.items():  # each vector as long as x
            vectors = value if isinstance(value, tuple) else (value,)
            if isinstance(vectors[0], np.ndarray):
                longer = tuple(np.resize(vector, self.x0.size) for vector in vectors)
                value = longer if isinstance(value, tuple) else longer[0]
            more[name] = value
        most = 40 * MOST_EVALUATIONS * self.x0.size
        self.fun, self.jac = Hostile(fun, of_fun, most), Hostile(jac, of_jac, most)
        self.source: Any
        chosen: Any
        self.is_exact = way in ("given", "together") and "loss" not in options
        if way == "together":
            self.source, chosen = lambda x: (self.fun(x.copy()), self.jac(x)), True  # one may scribble on its x
        else:
            self.source, chosen = self.fun, self.jac if way == "given" else way
        self.kept = copy.deepcopy((self.x0, {name: value for name, value in more.items() if name != "workers"}))
        self.more = more
        self.fit: Any = None
        self.may_pickle = way != "together" and "workers" not in options
        with only_known_errors(self.fun, self.jac):
            self.fit = LevenbergMarquardt(self.source, self.x0, chosen, max_nfev=MOST_EVALUATIONS, **more)
            self.fun.look = self.jac.look = lambda: (self.fit.x, self.fit.fun, self.fit.state, repr(self.fit))
        self.seen = -1

    def check(self) -> None:
        """The fit is of one point, and has not gone back."""
        fit = self.fit
        x, f, cost = fit.x, fit.fun, fit.cost
        assert np.isfinite(x).all()
        assert np.isfinite(f).all()
        assert self.fun.gave(x, f), "x and fun are of two points"
        if "loss" not in self.options and cost < np.inf:
            np.testing.assert_allclose(cost, 0.5 * np.dot(f, f), rtol=1e-12)
        assert 0 <= self.seen <= fit.nit or self.seen == -1
        self.seen = fit.nit
        assert fit.nfev <= min(MOST_EVALUATIONS, self.fun.calls)

    def judge(self, result: Any) -> None:
        """A result is of the fit's point; a success is one, where the function has given right numbers alone."""
        if result is None:
            return
        np.testing.assert_array_equal(result.x, self.fit.x)
        np.testing.assert_array_equal(result.fun, self.fit.fun)
        assert result.cost == self.fit.cost
        if self.is_exact and not self.jac.lied and result.jac is not None:
            free = ~np.resize(self.options.get("fixed", False), result.x.size)
            np.testing.assert_array_equal(result.jac[:, free], PROBLEMS[self.problem][1](result.x)[:, free])
        is_plain = not {"loss", "bounds", "fixed", "ftol", "workers"} & self.options.keys()
        if result.success and is_plain and not (self.fun.lied or self.jac.lied):
            assert result.cost <= 1.001 * BEST[self.problem], "a false success"

    has_begun = precondition(lambda self: self.fit is not None)

    @has_begun
    @rule(times=st.integers(1, 3))
    def step(self, times: int) -> None:
        for _ in range(times):
            with only_known_errors(self.fun, self.jac):
                self.fit.step()
            self.check()

    @has_begun
    @rule(most=st.integers(1, 4))
    def iterate(self, most: int) -> None:
        with only_known_errors(self.fun, self.jac):
            for state, _ in zip(self.fit, range(most), strict=False):
                assert self.fun.gave(state.x, state.fun)
                state.x[:] = state.fun[:] = np.nan
        self.check()

    @has_begun
    @rule()
    def run(self) -> None:
        result = None
        with only_known_errors(self.fun, self.jac):
            result = self.fit.run()
        self.judge(result)
        self.check()

    @has_begun
    @rule(spoil=st.booleans())
    def result(self, spoil: bool) -> None:
        result = None
        with only_known_errors(self.fun, self.jac):
            result = self.fit.result()
        self.judge(result)
        if result is not None and spoil:
            for array in (result.x, result.fun, result.grad, result.jac):
                if array is not None:
                    array[:] = np.nan
        self.check()

    @has_begun
    @rule()
    def go_on_as_a_pickle(self) -> None:
        if self.may_pickle:
            self.fit = pickle.loads(pickle.dumps(self.fit))
            self.check()

    @has_begun
    @rule(steps=st.integers(0, 2))
    def copy(self, steps: int) -> None:
        before = self.fit.nit, self.fit.x.tobytes(), self.fit.nfev
        other = copy.copy(self.fit)
        for _ in range(steps):
            with only_known_errors(self.fun, self.jac):
                other.step()
        assert (self.fit.nit, self.fit.x.tobytes(), self.fit.nfev) == before
        self.check()

    @has_begun
    @rule(sizes=st.sampled_from([0.5, "jac", None, [3.0, 0.1], -1.0, "text", [np.nan, 1.0], [[1.0]]]))
    def scale(self, sizes: Any) -> None:
        with only_known_errors():
            self.fit.x_scale = sizes
        self.check()

    @has_begun
    @rule()
    def stop(self) -> None:
        self.fit.stop()
        assert not self.fit.is_running
        self.check()

    @rule()
    def fit_something_else(self) -> None:
        assert_next_fit_is_right()

    def teardown(self) -> None:
        if not hasattr(self, "kept"):
            return
        x0, more = self.kept
        np.testing.assert_array_equal(self.x0, x0)
        for name, value in more.items():
            np.testing.assert_equal(self.more[name], value)
        assert_next_fit_is_right()


@pytest.mark.usefixtures("nothing_on_stderr")
def test_any_sequence_leaves_a_fit() -> None:
    run_state_machine_as_test(RoughHands, settings=some(200, stateful_step_count=10))
