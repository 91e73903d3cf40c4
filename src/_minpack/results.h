/* What Python callables give, as the doubles that MINPACK wants. */
#ifndef PYMINPACK_RESULTS_H
#define PYMINPACK_RESULTS_H

#include "callback.h"

/* Whether an object is a float64 vector that can be read where it lies. */
static inline int lm_is_plain_vector(PyObject *object)
{
    PyArrayObject *array = (PyArrayObject *)object;

    return PyArray_CheckExact(object) && PyArray_TYPE(array) == NPY_DOUBLE && PyArray_NDIM(array) == 1
           && PyArray_ISCARRAY_RO(array);
}

/* What makes of other results what is wanted, or raises: as_residuals(result, m, x, calls) gives a contiguous float64
 * array of m values, as_jacobian(result, m, n, col_deriv, x) one of shape (m, n), or (n, m). */
typedef struct {
    PyObject *as_residuals, *as_jacobian;
} lm_converters;

/* Those that set_converters has set. */
extern lm_converters lm_own_converters;

/* Copies a result of `size` values, converted where it has to be; takes over the reference. */
int lm_take_vector(PyObject *converter, PyObject *result, double *to, int size, const double *x, int n, long calls);

/* fjac(i, j) from values `down` and `across` bytes apart, some rows at a time so that they are read through once. */
void lm_copy_strided(const char *data, npy_intp down, npy_intp across, double *fjac, int m, int n, int ldfjac);

/* A Jacobian, converted where it has to be; takes over the reference and gives one, or NULL with an exception set. */
PyArrayObject *lm_as_plain_jacobian(PyObject *converter, PyObject *result, int m, int n, int col_deriv, const double *x);

/* Copies a Jacobian, converted where it has to be; takes over the reference. */
int lm_take_jacobian(PyObject *converter, PyObject *result, double *fjac, int m, int n, int ldfjac, int col_deriv,
                     const double *x);

/* Python: set_converters(as_residuals, as_jacobian), for results that aren't plain float64 arrays. */
PyObject *lm_set_converters(PyObject *self, PyObject *args);
extern const char lm_set_converters_doc[];

#endif
