/* Residuals of a curve, f(x, a, b, ...) - y, as a function of the parameters' array: for curve_fit, where a function of
 * Python's between the core and the model would take as long as the arithmetic of many a model. */
#include "array.h"
#include "module.h"

#include <stddef.h>

typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    PyObject *f, *x;
    PyArrayObject *y, *weights; /* of one shape; weights may be NULL */
    PyObject *otherwise;        /* otherwise(value, p) makes residuals of a value that is no plain array of y's shape */
} curve_residuals;

static int visit_curve(PyObject *self, visitproc visit, void *arg)
{
    const curve_residuals *curve = (curve_residuals *)self;

    Py_VISIT(curve->f);
    Py_VISIT(curve->x);
    Py_VISIT(curve->y);
    Py_VISIT(curve->weights);
    Py_VISIT(curve->otherwise);
    return 0;
}

static void drop_curve(PyObject *self)
{
    curve_residuals *curve = (curve_residuals *)self;

    PyObject_GC_UnTrack(self);
    Py_XDECREF(curve->f);
    Py_XDECREF(curve->x);
    Py_XDECREF(curve->y);
    Py_XDECREF(curve->weights);
    Py_XDECREF(curve->otherwise);
    PyObject_GC_Del(self);
}

static int is_like(PyObject *value, PyArrayObject *y)
{
    PyArrayObject *array = (PyArrayObject *)value;

    return PyArray_CheckExact(value) && PyArray_TYPE(array) == NPY_DOUBLE && PyArray_ISCARRAY_RO(array)
           && PyArray_NDIM(array) == PyArray_NDIM(y)
           && PyArray_CompareLists(PyArray_DIMS(array), PyArray_DIMS(y), PyArray_NDIM(y));
}

/* (value - y) weights, in the place of the value where nobody else holds it; takes the reference over. */
static PyObject *beside_data(const curve_residuals *curve, PyObject *value)
{
    PyArrayObject *array = (PyArrayObject *)value;
    const npy_intp size = PyArray_SIZE(curve->y);
    PyObject *result = lm_is_unshared(array) ? Py_NewRef(value) : PyArray_NewLikeArray(curve->y, NPY_CORDER, NULL, 0);

    if (result != NULL) {
        const double *from = lm_data(value), *y = PyArray_DATA(curve->y);
        double *to = lm_data(result);
        for (npy_intp i = 0; i < size; i++) {
            to[i] = from[i] - y[i];
        }
        for (npy_intp i = 0; curve->weights != NULL && i < size; i++) {
            to[i] *= ((const double *)PyArray_DATA(curve->weights))[i];
        }
    }
    Py_DECREF(value);
    return result;
}

/* f(x, *p); call has places for a spare one, x and the parameters. */
static PyObject *value_at(const curve_residuals *curve, PyObject *p, Py_ssize_t n, PyObject **call)
{
    PyObject *value = NULL;
    Py_ssize_t taken = 0;

    call[1] = curve->x;
    while (taken < n && (call[2 + taken] = PySequence_GetItem(p, taken)) != NULL) {
        taken++;
    }
    if (taken == n) {
        value = PyObject_Vectorcall(curve->f, call + 1, (size_t)(n + 1) | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    }
    while (taken > 0) {
        Py_DECREF(call[2 + --taken]);
    }
    return value;
}

static PyObject *call_curve(PyObject *self, PyObject *const *args, size_t nargs, PyObject *names)
{
    enum { FEW = 14 };
    const curve_residuals *curve = (curve_residuals *)self;
    PyObject *few[FEW + 2], **call = few;

    if (PyVectorcall_NARGS(nargs) != 1 || names != NULL) {
        PyErr_SetString(PyExc_TypeError, "residuals of a curve take the array of the parameters alone");
        return NULL;
    }
    const Py_ssize_t n = PySequence_Size(args[0]);
    if (n > FEW && (call = PyMem_New(PyObject *, n + 2)) == NULL) {
        return PyErr_NoMemory();
    }
    PyObject *value = n < 0 ? NULL : value_at(curve, args[0], n, call);
    if (call != few) {
        PyMem_Free(call);
    }
    if (value == NULL) {
        return NULL;
    }
    if (is_like(value, curve->y)) {
        return beside_data(curve, value);
    }
    PyObject *residuals = PyObject_CallFunctionObjArgs(curve->otherwise, value, args[0], NULL);
    Py_DECREF(value);
    return residuals;
}

static PyTypeObject curve_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "pyminpack._minpack.curve_residuals",
    .tp_basicsize = sizeof(curve_residuals),
    .tp_flags =
        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_vectorcall_offset = offsetof(curve_residuals, vectorcall),
    .tp_call = PyVectorcall_Call,
    .tp_traverse = visit_curve,
    .tp_dealloc = drop_curve,
};

PyObject *lm_curve_residuals(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *f, *x, *y, *weights, *otherwise;

    if (!PyArg_ParseTuple(args, "OOOOO:curve_residuals", &f, &x, &y, &weights, &otherwise)
        || PyType_Ready(&curve_type) < 0) {
        return NULL;
    }
    if (!PyArray_Check(y) || !is_like(y, (PyArrayObject *)y)
        || (weights != Py_None && !is_like(weights, (PyArrayObject *)y))) {
        PyErr_SetString(PyExc_TypeError, "y and weights must be plain float64 arrays of one shape");
        return NULL;
    }
    curve_residuals *curve = PyObject_GC_New(curve_residuals, &curve_type);
    if (curve != NULL) {
        curve->vectorcall = call_curve;
        curve->f = Py_NewRef(f);
        curve->x = Py_NewRef(x);
        curve->y = (PyArrayObject *)Py_NewRef(y);
        curve->weights = weights == Py_None ? NULL : (PyArrayObject *)Py_NewRef(weights);
        curve->otherwise = Py_NewRef(otherwise);
        PyObject_GC_Track(curve);
    }
    return (PyObject *)curve;
}
