"""What comes of many fits: arrays, the fit's indices first."""

from typing import Any

import numpy as np
import numpy.typing as npt

from .._model.arrays import Array, Mask
from .._report.info import LEAST_SQUARES_LIMIT, STATUS_OF, message_for
from .._report.record import Record, computed_once

_INFO_OF = {status: info for info, status in reversed(STATUS_OF.items())}


class CurveFits(Record):
    """Many fits of one model.

    Attributes
    ----------
    x : ndarray of shape (..., n)
        The parameters at the minimum; of a fit that has failed, the best ones that were found.
    cov : ndarray of shape (..., n, n)
        Their covariance, as `CurveFit.cov` has it; NaN for a fit that has failed.
    stderr : ndarray of shape (..., n)
        Their standard errors, right even where a variance overflows or underflows.
    cost : ndarray of shape (...)
        Half the sum of the squared residuals, in units of sigma, or of what the loss makes of them; NaN for a fit that
        could not start.
    dof : ndarray of int, shape (...)
        Points that are not masked minus parameters; a complex point counts as two.
    nfev : ndarray of int, shape (...)
        Evaluations of the residuals, those for differences not counted.
    status : ndarray of int, shape (...)
        Why each fit ended: the numbers of `least_squares`, above 0 for a success; -11 for a fit that could not start.
    alone : ndarray of bool, shape (...)
        Which fits were made one by one: those that could not start, met a bound, or whose ends were not certain at
        first sight.
    """

    x: Array
    cov: Array
    stderr: Array
    cost: Array
    dof: npt.NDArray[np.int32]
    nfev: npt.NDArray[np.int32]
    status: npt.NDArray[np.int32]
    alone: Mask
    _messages: dict[int, str]
    _options: tuple[Any, ...]

    _shown = ("x", "stderr", "cost", "reduced_chi2", "nfev", "status")

    @property
    def success(self) -> Mask:
        """Whether each fit has converged."""
        return np.asarray(self.status > 0)

    @computed_once
    def reduced_chi2(self) -> Array:
        """The sum of squares of the residuals in units of sigma over `dof`; NaN where that is 0."""
        return np.asarray(2 * self.cost / np.where(self.dof > 0, self.dof, np.nan))

    def message(self, *index: int) -> str:
        """Why one of the fits ended, in words; `index` is its place in the batch dimensions."""
        shape = self.status.shape
        if len(index) == 1 and isinstance(index[0], tuple):
            index = index[0]
        if len(index) != len(shape):
            raise IndexError(f"the fits have {len(shape)} indices, of shape {shape}; {len(index)} were given")
        place = tuple(range(size)[i] for i, size in zip(index, shape, strict=True))
        number = int(np.ravel_multi_index(place, shape)) if shape else 0
        if number in self._messages:
            return self._messages[number]
        return message_for(_INFO_OF[self.status[place]], *self._options, LEAST_SQUARES_LIMIT)

    def __len__(self) -> int:
        return len(self.status)
