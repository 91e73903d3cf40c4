#include "results.h"

#include <string.h>

lm_converters lm_own_converters = {NULL, NULL};

const char lm_set_converters_doc[] =
    "set_converters(as_residuals, as_jacobian)\n\n"
    "as_residuals(result, m, x, calls) and as_jacobian(result, m, n, col_deriv, x) make contiguous float64\n"
    "arrays, of m values and of shape (m, n) or (n, m), of results that are something else, or raise.";

PyObject *lm_set_converters(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *residuals, *jacobian;

    if (!PyArg_ParseTuple(args, "OO:set_converters", &residuals, &jacobian)) {
        return NULL;
    }
    Py_XSETREF(lm_own_converters.as_residuals, Py_NewRef(residuals));
    Py_XSETREF(lm_own_converters.as_jacobian, Py_NewRef(jacobian));
    Py_RETURN_NONE;
}

static int is_plain(PyObject *result)
{
    return PyArray_CheckExact(result) && PyArray_TYPE((PyArrayObject *)result) == NPY_DOUBLE
           && PyArray_ISBEHAVED_RO((PyArrayObject *)result);
}

static int is_plain_vector(PyObject *result, npy_intp size)
{
    return is_plain(result) && PyArray_IS_C_CONTIGUOUS((PyArrayObject *)result)
           && PyArray_SIZE((PyArrayObject *)result) == size;
}

static int is_plain_matrix(PyObject *result, npy_intp rows, npy_intp columns)
{
    PyArrayObject *array = (PyArrayObject *)result;

    return is_plain(result) && PyArray_NDIM(array) == 2 && PyArray_DIM(array, 0) == rows
           && PyArray_DIM(array, 1) == columns;
}

/* The point of a call as it was, whatever the callable made of its argument since; a new reference. */
static PyObject *point(const double *x, int n)
{
    npy_intp shape = n;
    PyObject *copy = PyArray_SimpleNew(1, &shape, NPY_DOUBLE);

    if (copy != NULL) {
        memcpy(PyArray_DATA((PyArrayObject *)copy), x, (size_t)n * sizeof *x);
    }
    return copy;
}

int lm_take_vector(PyObject *converter, PyObject *result, double *to, int size, const double *x, int n, long calls)
{
    if (result != NULL && !is_plain_vector(result, size)) {
        Py_SETREF(result, PyObject_CallFunction(converter, "OiNl", result, size, point(x, n), calls));
        if (result != NULL && !is_plain_vector(result, size)) {
            PyErr_SetString(PyExc_SystemError, "as_residuals gave something else than it promises");
            Py_CLEAR(result);
        }
    }
    if (result == NULL) {
        return 0;
    }
    memcpy(to, PyArray_DATA((PyArrayObject *)result), (size_t)size * sizeof *to);
    Py_DECREF(result);
    return 1;
}

void lm_copy_strided(const char *data, npy_intp down, npy_intp across, double *fjac, int m, int n, int ldfjac)
{
    enum { BLOCK = 512 };

    for (npy_intp first = 0; first < m; first += BLOCK) {
        const npy_intp rows = m - first < BLOCK ? m - first : BLOCK;
        for (npy_intp j = 0; j < n; j++) {
            const char *from = data + first * down + j * across;
            double *to = fjac + first + j * ldfjac;
            if (down == (npy_intp)sizeof *to) {
                memcpy(to, from, (size_t)rows * sizeof *to);
                continue;
            }
            for (npy_intp i = 0; i < rows; i++) {
                to[i] = *(const double *)(from + i * down);
            }
        }
    }
}

PyArrayObject *lm_as_plain_jacobian(PyObject *converter, PyObject *result, int m, int n, int col_deriv, const double *x)
{
    const npy_intp rows = col_deriv ? n : m;
    const npy_intp columns = col_deriv ? m : n;

    if (result != NULL && !is_plain_matrix(result, rows, columns)) {
        Py_SETREF(result, PyObject_CallFunction(converter, "OiiiN", result, m, n, col_deriv, point(x, n)));
        if (result != NULL && !is_plain_matrix(result, rows, columns)) {
            PyErr_SetString(PyExc_SystemError, "as_jacobian gave something else than it promises");
            Py_CLEAR(result);
        }
    }
    return (PyArrayObject *)result;
}

int lm_take_jacobian(PyObject *converter, PyObject *result, double *fjac, int m, int n, int ldfjac, int col_deriv,
                     const double *x)
{
    PyArrayObject *array = lm_as_plain_jacobian(converter, result, m, n, col_deriv, x);

    if (array == NULL) {
        return 0;
    }
    lm_copy_strided(PyArray_BYTES(array), PyArray_STRIDE(array, col_deriv ? 1 : 0),
                 PyArray_STRIDE(array, col_deriv ? 0 : 1), fjac, m, n, ldfjac);
    Py_DECREF(array);
    return 1;
}
