/* Fits with nothing of f2py's in between: compiled ones, where a few tenths of a microsecond count, and tall ones, where
 * an array that is made, or filled with zeros, without need does. */
#ifndef PYMINPACK_FIT_H
#define PYMINPACK_FIT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* Python: plain_start(x0) gives a copy of a float64 vector without NaN or Inf; None of anything else. */
PyObject *lm_plain_start(PyObject *self, PyObject *x0);
extern const char lm_plain_start_doc[];

/* Python: fit_compiled(func, jac, x0, ftol, xtol, gtol, maxfev, epsfcn, diag, factor, full_output). */
PyObject *lm_fit_compiled(PyObject *self, PyObject *const *args, Py_ssize_t nargs);
extern const char lm_fit_compiled_doc[];

/* Python: fit_blocks(func, jac, x0, fvec, args, col_deriv, ftol, xtol, gtol, maxfev, epsfcn, diag, factor). */
PyObject *lm_fit_blocks(PyObject *self, PyObject *args);
extern const char lm_fit_blocks_doc[];

/* Python: blocks_pay(m, n). */
PyObject *lm_blocks_pay(PyObject *self, PyObject *args);
extern const char lm_blocks_pay_doc[];

#endif
