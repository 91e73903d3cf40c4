/* Fits, and what goes before them, where a few tenths of a microsecond count: nothing of f2py's in between. */
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

#endif
