#include "_callback.h"

#include <string.h>

static _Thread_local lm_frame *top = NULL;

/* What Python makes of results that are not plain float64 arrays: an array that is, or an exception. */
static PyObject *as_residuals = NULL;
static PyObject *as_jacobian = NULL;

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
    Py_XSETREF(as_residuals, Py_NewRef(residuals));
    Py_XSETREF(as_jacobian, Py_NewRef(jacobian));
    Py_RETURN_NONE;
}

/* Frames ------------------------------------------------------------------------------------------------- */

static void release(lm_frame *frame)
{
    PyMem_Free(frame->work);
    if (frame->call != frame->call_inline) {
        PyMem_Free(frame->call);
    }
}

/* Scratch for the solver, and room for the arguments of a call. */
static int allocate(lm_frame *frame, Py_ssize_t places, npy_intp work)
{
    frame->call = frame->call_inline;
    if (places > LM_INLINE_ARGS) {
        frame->call = PyMem_New(PyObject *, places);
    }
    frame->work = PyMem_New(double, work);
    if (frame->call == NULL || frame->work == NULL) {
        release(frame);
        PyErr_NoMemory();
        return 0;
    }
    return 1;
}

static int push(lm_frame *frame, PyObject *func, PyObject *jac, PyTupleObject *args, npy_intp work)
{
    const Py_ssize_t nargs = args == NULL ? 0 : PyTuple_GET_SIZE(args);

    *frame = (lm_frame){.below = top, .func = func, .jac = jac, .nargs = nargs, .primed = 1, .calls = 1};
    if (!allocate(frame, nargs + 3, work)) {
        return 0;
    }
    for (Py_ssize_t i = 0; i < nargs; i++) {
        frame->call[3 + i] = PyTuple_GET_ITEM(args, i);
    }
    top = frame;
    return 1;
}

static void *push_capsule(lm_frame *frame, PyObject *capsule, npy_intp work)
{
    void *routine = PyCapsule_GetPointer(capsule, PyCapsule_GetName(capsule));

    *frame = (lm_frame){0};
    if (routine == NULL || !allocate(frame, 0, work)) {
        return NULL;
    }
    frame->released = PyEval_SaveThread();
    return routine;
}

void lm_pop(lm_frame *frame)
{
    if (frame->released != NULL) {
        PyEval_RestoreThread(frame->released);
    } else {
        top = frame->below;
        Py_CLEAR(frame->x);
    }
    release(frame);
}

/* Arguments ---------------------------------------------------------------------------------------------- */

/* Whether the last argument array can be used once more: nobody else holds it, and it is as it was made. */
static int is_ours(PyArrayObject *array, int n)
{
    return array != NULL && Py_REFCNT(array) == 1 && PyArray_NDIM(array) == 1 && PyArray_DIM(array, 0) == n
           && PyArray_TYPE(array) == NPY_DOUBLE && PyArray_CHKFLAGS(array, NPY_ARRAY_CARRAY | NPY_ARRAY_OWNDATA)
           && !PyArray_ISBYTESWAPPED(array) && ((PyArrayObject_fields *)array)->weakreflist == NULL;
}

/* An array with the values of x that owns its data; borrowed from the frame. */
static PyObject *argument(lm_frame *frame, const double *x, int n)
{
    if (!is_ours(frame->x, n)) {
        npy_intp shape = n;
        Py_XSETREF(frame->x, (PyArrayObject *)PyArray_SimpleNew(1, &shape, NPY_DOUBLE));
        if (frame->x == NULL) {
            return NULL;
        }
    }
    memcpy(PyArray_DATA(frame->x), x, (size_t)n * sizeof *x);
    return (PyObject *)frame->x;
}

/* func(x, *args). */
static PyObject *call(lm_frame *frame, PyObject *func, const double *x, int n)
{
    PyObject **place = frame->call + 2;

    place[0] = argument(frame, x, n);
    if (place[0] == NULL) {
        return NULL;
    }
    return PyObject_Vectorcall(func, place, (size_t)(1 + frame->nargs) | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
}

/* func(x, i, *args). */
static PyObject *call_with_index(lm_frame *frame, PyObject *func, const double *x, int n, int i)
{
    PyObject **place = frame->call + 1;
    PyObject *result;

    place[0] = argument(frame, x, n);
    place[1] = PyLong_FromLong(i);
    if (place[0] == NULL || place[1] == NULL) {
        Py_XDECREF(place[1]);
        return NULL;
    }
    result = PyObject_Vectorcall(func, place, (size_t)(2 + frame->nargs) | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    Py_DECREF(place[1]);
    return result;
}

/* Results ------------------------------------------------------------------------------------------------ */

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

/* Copies a result of `size` values, converted where it has to be; takes over the reference. */
static int take_vector(PyObject *result, double *to, int size, const double *x, int n, long calls)
{
    if (result != NULL && !is_plain_vector(result, size)) {
        Py_SETREF(result, PyObject_CallFunction(as_residuals, "OiNl", result, size, point(x, n), calls));
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

/* fjac(i, j) from an array of any strides, some rows at a time so that the array is read through once. */
static void copy_jacobian(PyArrayObject *array, double *fjac, int m, int n, int ldfjac, int col_deriv)
{
    enum { BLOCK = 512 };
    const char *data = PyArray_BYTES(array);
    const npy_intp down = PyArray_STRIDE(array, col_deriv ? 1 : 0);
    const npy_intp across = PyArray_STRIDE(array, col_deriv ? 0 : 1);

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

/* Copies a Jacobian, converted where it has to be; takes over the reference. */
static int take_jacobian(PyObject *result, double *fjac, int m, int n, int ldfjac, int col_deriv,
                         const double *x)
{
    const npy_intp rows = col_deriv ? n : m;
    const npy_intp columns = col_deriv ? m : n;

    if (result != NULL && !is_plain_matrix(result, rows, columns)) {
        Py_SETREF(result, PyObject_CallFunction(as_jacobian, "OiiiN", result, m, n, col_deriv, point(x, n)));
        if (result != NULL && !is_plain_matrix(result, rows, columns)) {
            PyErr_SetString(PyExc_SystemError, "as_jacobian gave something else than it promises");
            Py_CLEAR(result);
        }
    }
    if (result == NULL) {
        return 0;
    }
    copy_jacobian((PyArrayObject *)result, fjac, m, n, ldfjac, col_deriv);
    Py_DECREF(result);
    return 1;
}

/* What MINPACK calls ------------------------------------------------------------------------------------- */

/* Asks MINPACK to stop where something failed, or where Ctrl-C came while no Python code ran to see it. */
static void conclude(int done, int *iflag)
{
    if (!done || PyErr_CheckSignals() != 0) {
        *iflag = -1;
    }
}

/* The residuals at x; those at the start are known already. */
static int evaluate(lm_frame *frame, int m, int n, const double *x, double *fvec)
{
    if (frame->primed) {
        frame->primed = 0;
        return 1;
    }
    frame->calls++;
    PyObject *result = call(frame, frame->func, x, n);
    return take_vector(result, fvec, m, x, n, frame->calls);
}

static void python_residuals(int *m, int *n, double *x, double *fvec, int *iflag)
{
    conclude(evaluate(top, *m, *n, x, fvec), iflag);
}

static void python_jacobian(int *m, int *n, double *x, double *fvec, double *fjac, int *ldfjac, int *iflag)
{
    lm_frame *frame = top;
    int done;

    if (*iflag == 1) {
        done = evaluate(frame, *m, *n, x, fvec);
    } else {
        PyObject *result = call(frame, frame->jac, x, *n);
        done = take_jacobian(result, fjac, *m, *n, *ldfjac, frame->col_deriv, x);
    }
    conclude(done, iflag);
}

static void python_row(int *m, int *n, double *x, double *fvec, double *fjrow, int *iflag)
{
    lm_frame *frame = top;
    int done;

    if (*iflag == 1) {
        done = evaluate(frame, *m, *n, x, fvec);
    } else {
        PyObject *result = call_with_index(frame, frame->jac, x, *n, *iflag - 2);
        done = take_vector(result, fjrow, *n, x, *n, 0);
    }
    conclude(done, iflag);
}

lm_residual_function *lm_push_residuals(lm_frame *frame, PyObject *func, PyTupleObject *args, npy_intp work)
{
    if (PyCapsule_CheckExact(func)) {
        return (lm_residual_function *)push_capsule(frame, func, work);
    }
    return push(frame, func, NULL, args, work) ? python_residuals : NULL;
}

lm_jacobian_function *lm_push_jacobian(lm_frame *frame, PyObject *func, PyObject *jac, PyTupleObject *args,
                                       int col_deriv, npy_intp work)
{
    if (PyCapsule_CheckExact(func)) {
        return (lm_jacobian_function *)push_capsule(frame, func, work);
    }
    if (!push(frame, func, jac, args, work)) {
        return NULL;
    }
    frame->col_deriv = col_deriv;
    return python_jacobian;
}

lm_row_function *lm_push_rows(lm_frame *frame, PyObject *func, PyObject *jac, PyTupleObject *args,
                              npy_intp work)
{
    if (PyCapsule_CheckExact(func)) {
        return (lm_row_function *)push_capsule(frame, func, work);
    }
    return push(frame, func, jac, args, work) ? python_row : NULL;
}
