#include "callable.h"
#include "module.h"

#include <limits.h>
#include <math.h>

enum { PLACES = 3 }; /* before *args */

int lm_prepare_caller(lm_caller *caller, PyTupleObject *args)
{
    caller->nargs = args == NULL ? 0 : PyTuple_GET_SIZE(args);
    caller->call = PyMem_New(PyObject *, caller->nargs + PLACES);
    if (caller->call == NULL) {
        PyErr_NoMemory();
        return 0;
    }
    for (Py_ssize_t i = 0; i < caller->nargs; i++) {
        caller->call[PLACES + i] = PyTuple_GET_ITEM(args, i);
    }
    return 1;
}

void lm_release_caller(lm_caller *caller)
{
    Py_CLEAR(caller->x);
    PyMem_Free(caller->call);
}

/* Whether the last argument array can be used once more: nobody else holds it, and it is as it was made. */
static int is_ours(PyArrayObject *array, npy_intp n)
{
    return array != NULL && lm_is_unshared(array) && PyArray_NDIM(array) == 1 && PyArray_DIM(array, 0) == n;
}

/* An array of all the parameters that owns its data; borrowed from the caller. */
static PyObject *argument(lm_caller *caller, const double *x, int n)
{
    const npy_intp size = caller->whole == NULL ? n : PyArray_DIM(caller->whole, 0);

    if (!is_ours(caller->x, size)) {
        Py_XSETREF(caller->x, (PyArrayObject *)lm_vector(NULL, size));
        if (caller->x == NULL) {
            return NULL;
        }
    }
    double *values = PyArray_DATA(caller->x);
    if (caller->whole == NULL) {
        memcpy(values, x, (size_t)n * sizeof *x);
    } else {
        memcpy(values, PyArray_DATA(caller->whole), (size_t)size * sizeof *x);
        for (int i = 0; i < n; i++) {
            values[caller->free[i]] = x[i];
        }
    }
    return (PyObject *)caller->x;
}

PyObject *lm_call(lm_caller *caller, PyObject *func, const double *x, int n, PyObject *index)
{
    const Py_ssize_t before = index == NULL ? 1 : 2;
    PyObject **place = caller->call + PLACES - before;

    place[0] = argument(caller, x, n);
    if (place[0] == NULL) {
        return NULL;
    }
    if (index != NULL) {
        place[1] = index;
    }
    return PyObject_Vectorcall(func, place, (size_t)(before + caller->nargs) | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
}

/* Machine code -------------------------------------------------------------------------------------------- */

/* A type of its own, which Python can neither make nor change: what passes for machine code is called as such. */
typedef struct {
    PyObject_HEAD
    lm_compiled code;
    PyObject *kept; /* what the code needs, alive as long as it is */
} machine_code;

static int visit_machine_code(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(((machine_code *)self)->kept);
    return 0;
}

static void drop_machine_code(PyObject *self)
{
    PyObject_GC_UnTrack(self);
    Py_DECREF(((machine_code *)self)->kept);
    PyObject_GC_Del(self);
}

static PyTypeObject machine_code_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "pyminpack._minpack.machine_code",
    .tp_basicsize = sizeof(machine_code),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_traverse = visit_machine_code,
    .tp_dealloc = drop_machine_code,
};

PyObject *lm_machine_code(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *function, *data, *kept;
    lm_compiled code = {.weights = NULL};
    int convention;

    if (!PyArg_ParseTuple(args, "OOiiiO:machine_code", &function, &data, &convention, &code.m, &code.n, &kept)) {
        return NULL;
    }
    code.function = PyLong_AsVoidPtr(function);
    code.data = PyLong_AsVoidPtr(data);
    code.convention = convention;
    if (PyErr_Occurred() || PyType_Ready(&machine_code_type) < 0) {
        return NULL;
    }
    machine_code *made = PyObject_GC_New(machine_code, &machine_code_type);
    if (made != NULL) {
        made->code = code;
        made->kept = Py_NewRef(kept);
        PyObject_GC_Track(made);
    }
    return (PyObject *)made;
}

const lm_compiled *lm_as_compiled(PyObject *object)
{
    return object != NULL && Py_IS_TYPE(object, &machine_code_type) ? &((machine_code *)object)->code : NULL;
}

/* How many numbers it gives for n parameters. */
static size_t size_of_result(const lm_compiled *compiled, int m, int n)
{
    return (size_t)m * (compiled->convention >= LM_JACOBIAN_C ? (size_t)n : 1);
}

/* Multiplies what it has given by the weights. */
static void weigh(const lm_compiled *compiled, int m, int n, double *result)
{
    const size_t rows = (size_t)m, columns = compiled->convention >= LM_JACOBIAN_C ? (size_t)n : 1;
    const int by_columns = compiled->convention == LM_JACOBIAN_F;

    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < columns; j++) {
            result[by_columns ? i + j * rows : i * columns + j] *= compiled->weights[i];
        }
    }
}

int lm_call_compiled(const lm_compiled *compiled, int m, int n, const double *x, double *result)
{
    /* A function of Python's behind a C function, numba's too, can't raise: it prints the exception and returns 0. What it
     * has left undone must not pass for residuals. */
    result[0] = result[size_of_result(compiled, m, n) - 1] = NAN;
    if (compiled->convention == LM_MINPACK) {
        int iflag = 1;
        ((lm_minpack_residuals *)compiled->function)(&m, &n, (double *)x, result, &iflag);
        return iflag < 0 ? iflag : 0;
    }
    const int status = ((lm_compiled_function *)compiled->function)(m, n, x, result, compiled->data);
    if (compiled->weights != NULL) {
        weigh(compiled, m, n, result);
    }
    return status > 0 ? -status : status == INT_MIN ? -INT_MAX : status;
}

PyObject *lm_evaluate_compiled(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *object, *x;
    PyArrayObject *result;
    int status;

    if (!PyArg_ParseTuple(args, "OOO!:evaluate_compiled", &object, &x, &PyArray_Type, &result)) {
        return NULL;
    }
    const lm_compiled *compiled = lm_as_compiled(object);
    const npy_intp n = compiled != NULL && lm_is_plain_vector(x) ? PyArray_SIZE((PyArrayObject *)x) : -1;
    if (n < 0 || n > INT_MAX || (compiled->n > 0 && compiled->n != n) || PyArray_TYPE(result) != NPY_DOUBLE
        || !(PyArray_ISCARRAY(result) || PyArray_ISFARRAY(result))
        || (size_t)PyArray_SIZE(result) != size_of_result(compiled, compiled->m, (int)n)) {
        PyErr_SetString(PyExc_ValueError, "machine code, x and a result of its size are needed");
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    status = lm_call_compiled(compiled, compiled->m, (int)n, lm_data(x), PyArray_DATA(result));
    Py_END_ALLOW_THREADS
    return PyLong_FromLong(status);
}

/* Results ------------------------------------------------------------------------------------------------ */

lm_converters lm_own_converters = {NULL, NULL};

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

PyObject *lm_as_plain_vector(PyObject *converter, PyObject *result, int size, const double *x, int n, long calls)
{
    if (result != NULL && !is_plain_vector(result, size)) {
        Py_SETREF(result, PyObject_CallFunction(converter, "OiNl", result, size, lm_vector(x, n), calls));
        if (result != NULL && !is_plain_vector(result, size)) {
            PyErr_SetString(PyExc_SystemError, "as_residuals gave something else than it promises");
            Py_CLEAR(result);
        }
    }
    return result;
}

int lm_take_vector(PyObject *result, double *to)
{
    if (result == NULL) {
        return 0;
    }
    memcpy(to, lm_data(result), (size_t)PyArray_SIZE((PyArrayObject *)result) * sizeof *to);
    Py_DECREF(result);
    return 1;
}

void lm_copy_strided(const char *data, npy_intp down, npy_intp across, double *fjac, int m, int n)
{
    enum { BLOCK = 512 };

    for (npy_intp first = 0; first < m; first += BLOCK) {
        const npy_intp rows = m - first < BLOCK ? m - first : BLOCK;
        for (npy_intp j = 0; j < n; j++) {
            const char *from = data + first * down + j * across;
            double *to = fjac + first + j * m;
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

PyArrayObject *lm_as_plain_jacobian(PyObject *converter, PyObject *result, int m, int n, int col_deriv, int trusted,
                                    const double *x)
{
    const npy_intp rows = col_deriv ? n : m;
    const npy_intp columns = col_deriv ? m : n;

    if (result != NULL && !(trusted && is_plain_matrix(result, rows, columns))) {
        Py_SETREF(result, PyObject_CallFunction(converter, "OiiiN", result, m, n, col_deriv, lm_vector(x, n)));
        if (result != NULL && !is_plain_matrix(result, rows, columns)) {
            PyErr_SetString(PyExc_SystemError, "as_jacobian gave something else than it promises");
            Py_CLEAR(result);
        }
    }
    return (PyArrayObject *)result;
}
