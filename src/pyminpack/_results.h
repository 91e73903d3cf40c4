/* What Python callables give, as the doubles that MINPACK wants. */
#ifndef PYMINPACK_RESULTS_H
#define PYMINPACK_RESULTS_H

#include "_callback.h"

/* Copies a result of `size` values, converted where it has to be; takes over the reference. */
int lm_take_vector(PyObject *result, double *to, int size, const double *x, int n, long calls);

/* fjac(i, j) from values `down` and `across` bytes apart, some rows at a time so that they are read through once. */
void lm_copy_strided(const char *data, npy_intp down, npy_intp across, double *fjac, int m, int n, int ldfjac);

/* A Jacobian, converted where it has to be; takes over the reference and gives one, or NULL with an exception set. */
PyArrayObject *lm_as_plain_jacobian(PyObject *result, int m, int n, int col_deriv, const double *x);

/* Copies a Jacobian, converted where it has to be; takes over the reference. */
int lm_take_jacobian(PyObject *result, double *fjac, int m, int n, int ldfjac, int col_deriv,
                         const double *x);

/* Python: set_converters(as_residuals, as_jacobian), for results that aren't plain float64 arrays. */
PyObject *lm_set_converters(PyObject *self, PyObject *args);
extern const char lm_set_converters_doc[];

#endif
