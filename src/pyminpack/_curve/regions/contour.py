"""Joint confidence regions of two parameters, the others fitted anew: their edges are followed from point to point.

At each point a fit of the other parameters tells how far chi-squared has grown, and four evaluations of the model
beside it the direction in which it grows: by the envelope theorem, the others may be held there. So the next point is
found along the curve by its tangent and its curvature, and put right by Newton's method across it: mostly by one fit.

Each parameter is measured by tau of its own profile (Bates and Watts 1988, chapter 6), which takes much of the
nonlinearity away, and the pair of these so that Wald's ellipse is the unit circle.
"""

from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from math import atan2, cbrt, inf, isinf, isnan, nan, pi, sqrt
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from ..._errors import UnidentifiableWarning, warn_user
from ..._model.arrays import Array, Mask
from ..._report.record import Record
from ..quantiles import f_quantile
from .profile import Profile, chi2_at
from .smooth import Smooth

if TYPE_CHECKING:
    from ..fit import CurveFit

# These numbers are in docs/constants.md, with what changes if they are larger or smaller.
_TURN: Final = 2 * pi / 18  # of the normal from one point to the next
_NEAR: Final = 0.02  # a point is put right without another fit from here on; Newton's method squares it
_BESIDE: Final = 1e-3  # how far the evaluations for the gradient are from a point
_ASTRAY: Final = 0.1  # a point that is farther from the level than this is too far ahead
_MOST_TRIALS: Final = 4  # to put a point right; one is usual
_MOST_FITS: Final = 200  # for one curve
_SHORTEST: Final = 1e-3  # a step along the curve
_BETWEEN: Final = 8  # points that are interpolated for each that is found, for a smooth picture


class Contour(Record):
    """The edge of the joint confidence region of two parameters.

    Attributes
    ----------
    names : tuple of str
        The two parameters.
    level : float
        The confidence level.
    points : ndarray of shape (k, 2)
        A smooth curve through the points that were found, against the clock. It follows bounds where the region reaches
        them. Where the data set no limit it goes to a row that has inf for the parameter without a limit, and comes
        back from one. A row of NaN where the fits fail. No rows where no profile of the two reaches the level, and
        where the minimum is not one.
    is_closed : bool
        Whether the curve is closed: the last point is then the first.
    nfits : int
        How many fits it took beside those of the two profiles; with no other parameters, evaluations.
    """

    names: tuple[str, str]
    level: float
    points: Array
    is_closed: bool
    nfits: int

    _shown = ("names", "level", "is_closed", "nfits")


class _Point(NamedTuple):
    """A point of the curve: where, all parameters there, and the gradient of the root of chi-squared's growth."""

    u: Array
    x: Array
    gradient: Array
    missed: float = 0.0  # how far from the level the first guess was

    @property
    def normal(self) -> Array:
        return self.gradient / np.linalg.norm(self.gradient)


class _LostError(Exception):
    """The curve cannot be followed from here."""


def joint_half_width(fit: "CurveFit", level: float) -> float:
    """How many standard errors the region reaches by the linear model."""
    dof = fit._dof_of_errors
    return sqrt(2 * f_quantile(level, 1 - level, 2, dof)) if dof > 0 else nan


def contour_of(fit: "CurveFit", i: int, j: int, level: float) -> Contour:
    """The contour of two parameters."""
    names = fit.names[i], fit.names[j]
    half = joint_half_width(fit, level)
    points, is_closed, nfits = np.empty((0, 2)), False, 0
    if half > 0 and fit._is_exact:
        points, is_closed = wald_ellipse(fit, i, j, half), True
    elif half > 0 and fit._variance > 0:
        edge = _Edge(fit, i, j, half)
        points, is_closed = edge.follow()
        nfits = edge.nfits
    return Contour(names=names, level=level, points=points, is_closed=is_closed, nfits=nfits)


def wald_ellipse(fit: "CurveFit", i: int, j: int, half: float) -> Array:
    """The region by the linear model; no rows where it has none."""
    root = _root_of(fit, [i, j])
    angles = np.linspace(0, 2 * pi, 145)
    circle = np.stack([np.cos(angles), np.sin(angles)])
    return np.empty((0, 2)) if root is None else fit.x[[i, j]] + half * (root @ circle).T


def _root_of(fit: "CurveFit", pair: list[int]) -> Array | None:
    """The Cholesky factor of the covariance of two parameters."""
    correlation, scale = fit.correlation[np.ix_(pair, pair)], fit.stderr[pair]
    if not np.isfinite(correlation).all() or not np.isfinite(scale).all():
        return None
    try:
        return np.asarray(scale[:, None] * np.linalg.cholesky(correlation))
    except np.linalg.LinAlgError:
        return None


class _Edge:
    """The edge of one region."""

    def __init__(self, fit: "CurveFit", i: int, j: int, half: float) -> None:
        self._fit, self._pair, self._half = fit, [i, j], half
        self.nfits = 0
        self._fixed = fit.result._fixed.copy()
        self._fixed[self._pair] = True
        self._profiles = [fit._profile(k) for k in self._pair]
        self._ends = np.array([profile.interval(half) for profile in self._profiles])
        curves = [_increasing(profile) for profile in self._profiles]
        self._value_of = [Smooth(tau, values) for tau, values in curves]
        self._box = np.array([(profile.low, profile.high) for profile in self._profiles])
        # Where a profile does not reach the level, it ends at a bound, or far out.
        reached = np.isfinite(self._ends) & (self._ends != self._box)
        self._limits = np.where(reached, [-inf, inf], [(tau[0], tau[-1]) for tau, _ in curves])
        self._slopes = np.zeros((fit.x.size, 2))
        root = _root_of(fit, self._pair)
        if root is not None:
            others = np.where(self._fixed[:, None], 0, fit.cov[:, self._pair])
            self._slopes = np.nan_to_num(others) @ np.linalg.inv(root @ root.T)
            root = root / np.linalg.norm(root, axis=1)[:, None]
        self._root = half * (np.eye(2) if root is None else root)

    # ------------------------------------------------------------------------------------ one point

    def _values(self, u: Array) -> Array:
        """The two parameters at a point."""
        tau = self._root @ u
        values = [value_of(t) for value_of, t in zip(self._value_of, tau.tolist(), strict=True)]
        return np.asarray(np.clip(values, *self._box.T))

    def _look(self, u: Array, near: Array) -> tuple[float, _Point]:
        """How far the root of chi-squared has grown, relative to what it may, and the point."""
        fit, values = self._fit, self._values(u)
        start = near + self._slopes @ (values - near[self._pair])
        start[self._pair] = values
        start = _start_within(fit, start, self._fixed, near)
        x, chi2, active, nfits = _best_with(fit, start, self._fixed, near)
        self.nfits += nfits
        grown = (chi2 - fit.chi2) / (fit._variance * self._half**2)
        if not grown > 0:
            raise _LostError
        gradient = np.empty(2)
        for k in range(2):
            (up, ahead), (down, behind) = (self._beside(u, x, active, k, side * _BESIDE) for side in (1, -1))
            change = chi2_at(fit, ahead) - chi2_at(fit, behind)
            gradient[k] = change / (up - down) if up > down else nan
        gradient /= 2 * fit._variance * self._half**2 * sqrt(grown)
        if not np.isfinite(gradient).all() or not gradient.any():
            raise _LostError
        return sqrt(grown), _Point(u, x, gradient)

    def _beside(self, u: Array, x: Array, active: npt.NDArray[np.intp], k: int, distance: float) -> tuple[float, Array]:
        """A distance along one coordinate and the point there; none where that is beyond the box."""
        place = u.copy()
        place[k] += distance
        tau = self._root @ place
        if (tau < self._limits[:, 0]).any() or (tau > self._limits[:, 1]).any():
            return 0.0, x
        values = self._values(place)
        moved = x + np.where(active == 0, self._slopes @ (values - x[self._pair]), 0)
        moved[self._pair] = values
        return distance, moved

    def _put_right(self, u: Array, near: Array, along: Array | None = None) -> _Point:
        """The point of the curve near one, by Newton's method across the curve, or along a line such as a bound."""
        error, missed = _ASTRAY, nan
        for _ in range(_MOST_TRIALS):
            q, point = self._look(u, near)
            if abs(q - 1) > error:
                break
            error = 0.5 * abs(q - 1)
            missed = abs(q - 1) if isnan(missed) else missed
            if along is None:
                move = (1 - q) * point.gradient / (point.gradient @ point.gradient)
            else:
                slope = float(point.gradient @ along)
                if slope == 0:
                    raise _LostError
                move = (1 - q) / slope * along
            u, near = u + move, point.x
            if error <= 0.5 * _NEAR:
                return point._replace(u=u, missed=missed)
        raise _LostError

    # ------------------------------------------------------------------------------------ the curve

    def follow(self) -> tuple[Array, bool]:
        """The curve, and whether it is closed."""
        pieces: list[_Piece] = []
        for start in self._starts():
            if any(np.min(np.hypot(*(piece.u - start.u).T)) < _TURN for piece in pieces):
                continue
            pieces.append(self._piece_from(start))
            if pieces[-1].is_closed:
                return self._curve_through(pieces[-1].u), True
        return self._joined(pieces)

    def _starts(self) -> Iterator[_Point]:
        """Points where one of the two profiles reaches the level."""
        for k, profile in enumerate(self._profiles):
            for side in range(2):
                if not isinf(self._limits[k, side]):
                    continue
                nearest = int(np.argmin(abs(profile.values - self._ends[k, side])))
                tau = np.empty(2)
                tau[k] = profile.tau[nearest]
                tau[1 - k] = self._value_of[1 - k].where(profile.x[nearest, self._pair[1 - k]])
                tau = np.clip(tau, *self._limits.T)
                with suppress(_LostError):
                    yield self._put_right(np.linalg.solve(self._root, tau), profile.x[nearest])

    def _curve_through(self, u: Array) -> Array:
        """The parameters at many points."""
        tau = u @ self._root.T
        values = np.stack([value_of.at(t) for value_of, t in zip(self._value_of, tau.T, strict=True)], axis=1)
        return np.asarray(np.clip(values, *self._box.T))

    def _piece_from(self, start: _Point) -> "_Piece":
        """The curve through a point, in both directions to where it ends."""
        ahead, ahead_side = self._arm(start, 1)
        if ahead[-1] is start and len(ahead) > 1:
            return _Piece(_smooth(ahead), None, None, True)
        back, back_side = self._arm(start, -1)
        return _Piece(_smooth([*reversed(back), *ahead[1:]]), back_side, ahead_side, False)

    def _arm(self, start: _Point, side: int) -> tuple[list[_Point], "_Side | None"]:
        """Points of the curve from one of them on, and the side of the box where it ends.

        With side 1 it goes against the clock, with the region to the left. It ends at the start where it is closed.
        """
        nodes, size, bend = [start], _TURN, 1.0
        while self.nfits < _MOST_FITS:
            last = nodes[-1]
            tangent = side * _to_the_left(last.normal)
            guess = last.u + size * tangent - 0.5 * bend * size**2 * last.normal
            try:
                edge = self._crossing(last.u, guess)
                point = self._put_right(guess, last.x) if edge is None else None
                if point is not None and (edge := self._crossing(last.u, point.u)) is None:
                    turn = side * _angle(last.normal, point.normal)
                    length = self._length_if_ahead(point.u - last.u, tangent, turn, size)
                    to_start = start.u - last.u
                    if len(nodes) > 2 and to_start @ tangent > 0 and np.linalg.norm(to_start) <= 1.2 * length:
                        return [*nodes, start], None
                    nodes.append(point)
                    bend = turn / length
                    size = min(max(_TURN / max(abs(bend), 1e-3), size / 2), 2 * size)
                    size *= min(1.0, cbrt(_NEAR / max(point.missed, 1e-9)))  # guesses have errors of the third order
                    continue
                assert edge is not None
                where, along, which = edge
                nodes.append(self._put_right(where, last.x, along))
            except _LostError:
                size /= 2
                if size < _SHORTEST:
                    break
            else:
                return nodes, which
        warn_user(
            f"the contour of {' and '.join(self._fit.names[k] for k in self._pair)} could not be followed beyond "
            f"{', '.join(f'{value:.6g}' for value in self._values(nodes[-1].u))}: fits fail there, or it has a corner",
            UnidentifiableWarning,
        )
        return nodes, None

    @staticmethod
    def _length_if_ahead(move: Array, tangent: Array, turn: float, size: float) -> float:
        """The length of a move along the curve; an error where it has left the curve, or a bend of it."""
        length = float(np.linalg.norm(move))
        if abs(turn) > 2.5 * _TURN or length > 2.5 * size or move @ tangent <= 0:
            raise _LostError
        return length

    def _crossing(self, inside: Array, u: Array) -> "tuple[Array, Array, _Side] | None":
        """Where a line leaves the box, the direction along its side there, and the side; None within the box."""
        p, q = self._root @ inside, self._root @ u
        first: tuple[float, _Side] | None = None
        for k, side in ((k, side) for k in range(2) for side in range(2)):
            limit = self._limits[k, side]
            if (q[k] > limit) if side else (q[k] < limit):
                part = float((limit - p[k]) / (q[k] - p[k]))
                if first is None or part < first[0]:
                    first = part, (k, side)
        if first is None:
            return None
        part, (k, side) = first
        tau = p + part * (q - p)
        tau[k] = self._limits[k, side]
        along = np.linalg.inv(self._root)[:, 1 - k]
        return np.linalg.solve(self._root, tau), along / np.linalg.norm(along), (k, side)

    # ------------------------------------------------------------------------------------ along the bounds

    def _joined(self, pieces: "list[_Piece]") -> tuple[Array, bool]:
        """Pieces that end at the sides of the box, joined along them, since the region lies to the left of each."""
        if not pieces:
            return np.empty((0, 2)), False
        rows: list[Array] = []
        left, piece = pieces[1:], pieces[0]
        while True:
            values = self._curve_through(piece.u)
            rows += [self._beyond(values[:1], piece.entry), values, self._beyond(values[-1:], piece.exit)]
            if piece.exit is None:
                rows.append(np.full((1, 2), nan))
                after = left[0] if left else None
            else:
                here = self._place(piece.exit, piece.u[-1])
                ways = [
                    (self._way(here, self._place(other.entry, other.u[0])), number)
                    for number, other in enumerate([*left, pieces[0]])
                    if other.entry is not None
                ]
                after = None
                if ways:
                    (sides, _), number = min(ways)
                    after = [*left, pieces[0]][number]
                    rows += self._corners(here[0], sides)
            if after is None or after is pieces[0]:
                break
            left.remove(after)
            piece = after
        if after is pieces[0]:
            rows.append(rows[0] if rows[0].size else rows[1][:1])
        curve = np.concatenate(rows)
        return curve, bool(np.isfinite(curve).all())

    def _beyond(self, row: Array, side: "_Side | None") -> Array:
        """The end of a piece at infinity; no row where it ends at a bound."""
        if side is None or np.isfinite(self._ends[side]):
            return row[:0]
        end = row.copy()
        end[0, side[0]] = -inf if side[1] == 0 else inf
        return end

    def _place(self, side: "_Side", u: Array) -> tuple[int, float]:
        """The place of a point on the box against the clock: the side, from the lower one on, and how far along it."""
        number = {(1, 0): 0, (0, 1): 1, (1, 1): 2, (0, 0): 3}[side]
        return number, float((self._root @ u)[1 - side[0]]) * (1 if number < 2 else -1)

    @staticmethod
    def _way(here: tuple[int, float], there: tuple[int, float]) -> tuple[int, float]:
        """How far it is from one place to another against the clock: sides, and how far along the last one."""
        sides = (there[0] - here[0]) % 4
        return (4 if sides == 0 and there[1] < here[1] else sides), there[1]

    def _corners(self, first: int, sides: int) -> list[Array]:
        """The corners of the box on the way."""
        corners = (((1, 0), (1, 1), (0, 1), (0, 0))[number % 4] for number in range(first, first + sides))
        return [np.array([[self._ends[0, a], self._ends[1, b]]]) for a, b in corners]


def _increasing(profile: Profile) -> tuple[Array, Array]:
    """The points of a profile from the minimum outward, as far as the growth does not turn back: tau and values."""
    tau, values = profile.tau, profile.values
    best = int(np.argmin(abs(values - profile.best)))
    kept = [best]
    for way in (range(best + 1, tau.size), range(best - 1, -1, -1)):
        last = best
        for k in way:
            if (tau[k] - tau[last]) * (k - last) > 0:
                kept.append(k)
                last = k
    order = sorted(kept)
    return tau[order], values[order]


_Side = tuple[int, int]  # the number of the parameter, and 0 for its lower limit, 1 for the upper one


class _Piece(NamedTuple):
    """A piece of the curve against the clock, and the sides of the box where it comes in and goes out."""

    u: Array
    entry: _Side | None
    exit: _Side | None
    is_closed: bool


def _to_the_left(direction: Array) -> Array:
    return np.array([-direction[1], direction[0]])


def _angle(before: Array, after: Array) -> float:
    """From one unit vector to another, against the clock."""
    return atan2(before[0] * after[1] - before[1] * after[0], before @ after)


def _smooth(nodes: list[_Point]) -> Array:
    """A curve through points with the tangents there, by Hermite's cubics."""
    if len(nodes) < 2:
        return np.array([node.u for node in nodes])
    t = np.arange(_BETWEEN)[:, None] / _BETWEEN
    parts = []
    for before, after in pairwise(nodes):
        chord = np.linalg.norm(after.u - before.u)
        start, end = (chord * _to_the_left(node.normal) for node in (before, after))
        left = 1 - t
        parts.append(left**2 * ((1 + 2 * t) * before.u + t * start) + t**2 * ((1 + 2 * left) * after.u - left * end))
    return np.concatenate([*parts, nodes[-1].u[None]])


def _start_within(fit: "CurveFit", start: Array, held: Mask, near: Array) -> Array:
    """A start with some parameters held there, within the bounds; the others as near it where it is not possible."""
    bounds = fit._options.get("bounds")
    if bounds is not None:
        start = np.clip(start, bounds[0], bounds[1])
    fixed = fit.result._fixed
    start[fixed] = fit.x[fixed]
    return start if np.isfinite(chi2_at(fit, start)) else np.where(held, start, near)


def _best_with(
    fit: "CurveFit", start: Array, held: Mask, near: Array
) -> tuple[Array, float, npt.NDArray[np.intp], int]:
    """The fit with some parameters held: all of them, chi-squared, which are at a bound, and how many fits it took."""
    if held.all():
        return start, chi2_at(fit, start), np.zeros(start.size, int), 1
    result = fit._refit(start, held)
    if result.success:
        return result.x, 2 * result.cost, result.active_mask, 1
    again = fit._refit(np.where(held, start, near), held)  # perhaps from the fit next to it
    if again.cost < result.cost or again.success:
        result = again
    return result.x, 2 * result.cost, result.active_mask, 2
