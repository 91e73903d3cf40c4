#include "callback.h"

#include "core.h"
#include "results.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

static _Thread_local lm_frame *top = NULL;

/* Seconds since some moment, to a few thousandths. */
static double seconds(void)
{
    struct timespec now;

#ifdef CLOCK_MONOTONIC_COARSE
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
#else
    clock_gettime(CLOCK_MONOTONIC, &now);
#endif
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* The GIL ------------------------------------------------------------------------------------------------ */

/* The thread that fits with compiled functions and is between two fits, and so has the GIL, for the few microseconds
 * that Python takes there; or NULL. Another one that waited for the GIL asleep would wake up too late, when the first
 * is through with its next fit, and find it taken again: threads with short fits would go in turns. So it looks here
 * for some microseconds first. The mark goes only after the GIL itself has gone, and not where the next thread has
 * already put its own in its place: who sees none finds the GIL free. */
static _Atomic(PyThreadState *) between_fits = NULL;

static PyThreadState *release_gil(void)
{
    PyThreadState *state = PyEval_SaveThread();
    PyThreadState *mine = state;

    atomic_compare_exchange_strong(&between_fits, &mine, NULL);
    return state;
}

static void take_gil(PyThreadState *state)
{
    enum { PATIENCE = 250 }; /* some ten microseconds, where a pause takes 140 cycles */

    for (int i = 0; i < PATIENCE && atomic_load_explicit(&between_fits, memory_order_relaxed) != NULL; i++) {
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#endif
    }
    PyEval_RestoreThread(state);
    atomic_store(&between_fits, state);
}

/* Frames ------------------------------------------------------------------------------------------------- */

static void release(lm_frame *frame)
{
    PyMem_RawFree(frame->work);
    if (frame->call != frame->call_inline) {
        PyMem_Free(frame->call);
    }
}

/* Scratch for the solver, 5 n + m numbers, and for a compiled Jacobian that can't go where it is wanted at once; and
 * room for the arguments of a call. */
static int allocate(lm_frame *frame, int m, int n)
{
    const Py_ssize_t places = frame->nargs + 3;
    const npy_intp scratch = 5 * (npy_intp)n + m;
    const int apart = frame->jac_compiled != NULL
                      && (frame->jac_compiled->convention == LM_JACOBIAN_C || frame->blocks != NULL);

    frame->call = frame->call_inline;
    if (places > LM_INLINE_ARGS) {
        frame->call = PyMem_New(PyObject *, places);
    }
    frame->work = PyMem_RawMalloc((size_t)(scratch + (apart ? (npy_intp)m * n : 0)) * sizeof *frame->work);
    if (frame->call == NULL || frame->work == NULL) {
        release(frame);
        PyErr_NoMemory();
        return 0;
    }
    frame->rows = frame->work + scratch;
    return 1;
}

static int push(lm_frame *frame, PyObject *func, PyObject *jac, PyTupleObject *args, int m, int n, double *blocks)
{
    *frame = (lm_frame){
        .below = top,
        .blocks = blocks,
        .func = func,
        .jac = jac,
        .func_compiled = lm_as_compiled(func),
        .jac_compiled = lm_as_compiled(jac),
        .as_residuals = lm_own_converters.as_residuals,
        .as_jacobian = lm_own_converters.as_jacobian,
        .nargs = args == NULL ? 0 : PyTuple_GET_SIZE(args),
        .sees_signals = PyFunction_Check(func),
        .calls = 1,
    };
    if (!allocate(frame, m, n)) {
        return 0;
    }
    for (Py_ssize_t i = 0; i < frame->nargs; i++) {
        frame->call[3 + i] = PyTuple_GET_ITEM(args, i);
    }
    frame->primed = frame->func_compiled == NULL;
    top = frame;
    if (frame->func_compiled != NULL && (jac == NULL || frame->jac_compiled != NULL)) {
        frame->looked = seconds();
        frame->released = release_gil();
    }
    return 1;
}

/* Somebody else's capsule: MINPACK calls what it holds with nothing in between. */
static void *push_capsule(lm_frame *frame, PyObject *capsule, int m, int n)
{
    void *routine = PyCapsule_GetPointer(capsule, PyCapsule_GetName(capsule));

    *frame = (lm_frame){.below = top};
    if (routine == NULL || !allocate(frame, m, n)) {
        return NULL;
    }
    top = frame;
    frame->released = release_gil();
    return routine;
}

void lm_pop(lm_frame *frame)
{
    if (frame->released != NULL) {
        take_gil(frame->released);
    }
    top = frame->below;
    Py_CLEAR(frame->x);
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

/* Folding ------------------------------------------------------------------------------------------------ */

/* Whether R is finite, column by column; t is its transpose, with a right side that doesn't matter. */
static int is_finite_triangle(const double *t, int n)
{
    for (npy_intp j = 0; j < n; j++) {
        for (npy_intp i = j; i < n; i++) {
            if (!isfinite(t[i + j * (n + 1)])) {
                return 0;
            }
        }
    }
    return 1;
}

/* Folds a Jacobian without gaps, row after row or column after column, into t. One that isn't finite is kept, for the
 * caller to look for the culprit. */
static void fold(const lm_frame *frame, int m, int n, double *data, int by_rows, double *fvec, double *t)
{
    const npy_intp size = sizeof(double);
    int rows = block_rows_(&n), order = n + 1;
    double *block = frame->blocks, *scratch = block + (npy_intp)rows * order;

    fold_jacobian_(&m, &n, data, &by_rows, fvec, t, &order, block, &rows, scratch);
    if (frame->rejected != NULL && !is_finite_triangle(t, n)) {
        lm_copy_strided((const char *)data, (by_rows ? n : 1) * size, (by_rows ? 1 : m) * size, frame->rejected, m, n, m);
    }
}

/* Folds a Jacobian as it comes from Python, where it lies if it has no gaps; takes over the reference. */
static int fold_result(const lm_frame *frame, PyObject *result, int m, int n, const double *x, double *fvec, double *t)
{
    PyArrayObject *array = lm_as_plain_jacobian(frame->as_jacobian, result, m, n, frame->col_deriv, x);

    if (array != NULL && !PyArray_IS_C_CONTIGUOUS(array) && !PyArray_IS_F_CONTIGUOUS(array)) {
        Py_SETREF(array, (PyArrayObject *)PyArray_NewCopy(array, NPY_CORDER));
    }
    if (array == NULL) {
        return 0;
    }
    const int by_rows = PyArray_IS_C_CONTIGUOUS(array) ? !frame->col_deriv : frame->col_deriv;
    Py_BEGIN_ALLOW_THREADS
    fold(frame, m, n, PyArray_DATA(array), by_rows, fvec, t);
    Py_END_ALLOW_THREADS
    Py_DECREF(array);
    return 1;
}

/* What MINPACK calls ------------------------------------------------------------------------------------- */

/* What a callback leaves in iflag to make MINPACK stop where Python has an exception set. */
enum { LM_GO_ON = 0, LM_EXCEPTION = -1 };

/* Ctrl-C comes as a signal that only code with the GIL can look for. */
static int look_for_signals(lm_frame *frame)
{
    static const double interval = 0.05;
    int status;

    if (frame->released == NULL) {
        return PyErr_CheckSignals() == 0 ? LM_GO_ON : LM_EXCEPTION;
    }
    const double now = seconds();
    if (now - frame->looked < interval) {
        return LM_GO_ON;
    }
    frame->looked = now;
    take_gil(frame->released);
    status = PyErr_CheckSignals() == 0 ? LM_GO_ON : LM_EXCEPTION;
    frame->released = release_gil();
    return status;
}

/* Tells MINPACK how a callback went. */
static void conclude(lm_frame *frame, int status, int *iflag)
{
    if (status == LM_GO_ON && !frame->sees_signals) {
        status = look_for_signals(frame);
    }
    if (status != LM_GO_ON) {
        *iflag = status;
    }
}

/* The residuals at x; Python's at the start are known already. */
static int evaluate(lm_frame *frame, int m, int n, const double *x, double *fvec)
{
    if (frame->func_compiled != NULL) {
        return lm_call_compiled(frame->func_compiled, m, n, x, fvec);
    }
    if (frame->primed) {
        frame->primed = 0;
        return LM_GO_ON;
    }
    frame->calls++;
    PyObject *result = call(frame, frame->func, x, n);
    return lm_take_vector(frame->as_residuals, result, fvec, m, x, n, frame->calls) ? LM_GO_ON : LM_EXCEPTION;
}

/* The Jacobian at x. */
static int differentiate(lm_frame *frame, int m, int n, const double *x, double *fjac, int ldfjac)
{
    if (frame->jac_compiled == NULL) {
        PyObject *result = call(frame, frame->jac, x, n);
        const int done = lm_take_jacobian(frame->as_jacobian, result, fjac, m, n, ldfjac, frame->col_deriv, x);
        return done ? LM_GO_ON : LM_EXCEPTION;
    }
    if (frame->jac_compiled->convention == LM_JACOBIAN_F) { /* ldfjac is m here */
        return lm_call_compiled(frame->jac_compiled, m, n, x, fjac);
    }
    const int status = lm_call_compiled(frame->jac_compiled, m, n, x, frame->rows);
    if (status == LM_GO_ON) {
        const npy_intp size = sizeof(double);
        lm_copy_strided((const char *)frame->rows, n * size, size, fjac, m, n, ldfjac);
    }
    return status;
}

/* The triangle of the Jacobian at x and of the residuals there. */
static int fold_at(lm_frame *frame, int m, int n, const double *x, double *fvec, double *t)
{
    if (frame->jac_compiled == NULL) {
        PyObject *result = call(frame, frame->jac, x, n);
        return fold_result(frame, result, m, n, x, fvec, t) ? LM_GO_ON : LM_EXCEPTION;
    }
    const int status = lm_call_compiled(frame->jac_compiled, m, n, x, frame->rows);
    if (status == LM_GO_ON) {
        fold(frame, m, n, frame->rows, frame->jac_compiled->convention == LM_JACOBIAN_C, fvec, t);
    }
    return status;
}

static void residual_callback(int *m, int *n, double *x, double *fvec, int *iflag)
{
    lm_frame *frame = top;

    conclude(frame, evaluate(frame, *m, *n, x, fvec), iflag);
}

static void jacobian_callback(int *m, int *n, double *x, double *fvec, double *fjac, int *ldfjac, int *iflag)
{
    lm_frame *frame = top;

    conclude(frame,
             *iflag == 1 ? evaluate(frame, *m, *n, x, fvec) : differentiate(frame, *m, *n, x, fjac, *ldfjac),
             iflag);
}

static void row_callback(int *m, int *n, double *x, double *fvec, double *fjrow, int *iflag)
{
    lm_frame *frame = top;
    int status;

    if (*iflag == 1) {
        status = evaluate(frame, *m, *n, x, fvec);
    } else {
        PyObject *result = call_with_index(frame, frame->jac, x, *n, *iflag - 2);
        status = lm_take_vector(frame->as_residuals, result, fjrow, *n, x, *n, 0) ? LM_GO_ON : LM_EXCEPTION;
    }
    conclude(frame, status, iflag);
}

static void triangle_callback(int *m, int *n, double *x, double *fvec, double *t, int *iflag)
{
    lm_frame *frame = top;

    conclude(frame,
             *iflag == 1 ? evaluate(frame, *m, *n, x, fvec) : fold_at(frame, *m, *n, x, fvec, t), iflag);
}

/* Whether MINPACK is to call what a capsule holds, with nothing in between. */
static int is_foreign_capsule(PyObject *func)
{
    return PyCapsule_CheckExact(func) && lm_as_compiled(func) == NULL;
}

lm_residual_function *lm_push_residuals(lm_frame *frame, PyObject *func, PyTupleObject *args, int m, int n)
{
    if (is_foreign_capsule(func)) {
        return (lm_residual_function *)push_capsule(frame, func, m, n);
    }
    return push(frame, func, NULL, args, m, n, NULL) ? residual_callback : NULL;
}

lm_jacobian_function *lm_push_jacobian(lm_frame *frame, PyObject *func, PyObject *jac, PyTupleObject *args,
                                       int col_deriv, int m, int n)
{
    if (is_foreign_capsule(func)) {
        return (lm_jacobian_function *)push_capsule(frame, func, m, n);
    }
    if (!push(frame, func, jac, args, m, n, NULL)) {
        return NULL;
    }
    frame->col_deriv = col_deriv;
    return jacobian_callback;
}

lm_row_function *lm_push_rows(lm_frame *frame, PyObject *func, PyObject *jac, PyTupleObject *args, int m, int n)
{
    if (is_foreign_capsule(func)) {
        return (lm_row_function *)push_capsule(frame, func, m, n);
    }
    return push(frame, func, jac, args, m, n, NULL) ? row_callback : NULL;
}

lm_triangle_function *lm_push_triangle(lm_frame *frame, PyObject *func, PyObject *jac, PyTupleObject *args,
                                       int col_deriv, int m, int n, double *blocks, double *rejected)
{
    if (!push(frame, func, jac, args, m, n, blocks)) {
        return NULL;
    }
    frame->col_deriv = col_deriv;
    frame->rejected = rejected;
    return triangle_callback;
}
