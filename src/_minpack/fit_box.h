/* The fit of least_squares. */
#ifndef PYMINPACK_FIT_BOX_H
#define PYMINPACK_FIT_BOX_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* Python: fit_box(func, jac, args, as_residuals, as_jacobian, x, fvec, control, state, diag, lower, upper, typical, eta,
 * source, counts, found). */
PyObject *lm_fit_box(PyObject *self, PyObject *args);
extern const char lm_fit_box_doc[];

#endif
