"""Signatures for `numba.cfunc`: ``@numba.cfunc(numba_signatures.residuals)``.

Importing this module imports numba.

Attributes
----------
residuals : numba signature
    ``int (int m, int n, const double *x, double *fvec, void *data)``
jacobian : numba signature
    ``int (int m, int n, const double *x, double *fjac, void *data)``
minpack : numba signature
    ``void (int *m, int *n, double *x, double *fvec, int *iflag)``
"""

from numba import types

residuals = types.intc(
    types.intc, types.intc, types.CPointer(types.double), types.CPointer(types.double), types.voidptr
)
jacobian = residuals
minpack = types.void(
    types.CPointer(types.intc),
    types.CPointer(types.intc),
    types.CPointer(types.double),
    types.CPointer(types.double),
    types.CPointer(types.intc),
)
