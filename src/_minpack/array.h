/* Python and NumPy, as every C file here includes them. f2py's module imports the array API for all of them. */
#ifndef PYMINPACK_ARRAY_H
#define PYMINPACK_ARRAY_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#ifndef PY_ARRAY_UNIQUE_SYMBOL
#define PY_ARRAY_UNIQUE_SYMBOL _npy_f2py_ARRAY_API /* as f2py's fortranobject.h has it */
#define NO_IMPORT_ARRAY
#endif
#include <numpy/arrayobject.h>

#include <string.h>

/* A new float64 vector; with values where these are not NULL. */
static inline PyObject *lm_vector(const double *values, npy_intp size)
{
    PyObject *vector = PyArray_SimpleNew(1, &size, NPY_DOUBLE);

    if (vector != NULL && values != NULL) {
        memcpy(PyArray_DATA((PyArrayObject *)vector), values, (size_t)size * sizeof *values);
    }
    return vector;
}

static inline double *lm_data(PyObject *array)
{
    return PyArray_DATA((PyArrayObject *)array);
}

/* Whether an object is a float64 vector that can be read where it lies. */
static inline int lm_is_plain_vector(PyObject *object)
{
    PyArrayObject *array = (PyArrayObject *)object;

    return PyArray_CheckExact(object) && PyArray_TYPE(array) == NPY_DOUBLE && PyArray_NDIM(array) == 1
           && PyArray_ISCARRAY_RO(array);
}

/* Whether nobody else can see what an array holds, so that it may be written to. */
static inline int lm_is_unshared(PyArrayObject *array)
{
    return Py_REFCNT(array) == 1 && PyArray_TYPE(array) == NPY_DOUBLE
           && PyArray_CHKFLAGS(array, NPY_ARRAY_CARRAY | NPY_ARRAY_OWNDATA) && !PyArray_ISBYTESWAPPED(array)
           && ((PyArrayObject_fields *)array)->weakreflist == NULL;
}

static inline int lm_has_size(PyObject *vector, npy_intp size)
{
    return lm_is_plain_vector(vector) && PyArray_DIM((PyArrayObject *)vector, 0) == size;
}

#endif
