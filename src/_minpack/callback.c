#include "callback.h"

#ifdef _MSC_VER
static __declspec(thread) lm_frame *top = NULL;
#else
static _Thread_local lm_frame *top = NULL;
#endif

int lm_push(lm_frame *frame, PyObject *func, PyObject *jac, PyTupleObject *args, int col_deriv, int m, int n)
{
    *frame = (lm_frame){.below = top, .func = func, .jac = jac, .col_deriv = col_deriv, .primed = 1, .calls = 1};
    if (PyCapsule_CheckExact(func)) {
        frame->foreign = PyCapsule_GetPointer(func, PyCapsule_GetName(func));
        if (frame->foreign == NULL) {
            return 0;
        }
    }
    if (!lm_prepare_caller(&frame->caller, args)) {
        return 0;
    }
    frame->work = PyMem_RawMalloc((5 * (size_t)n + (size_t)m) * sizeof *frame->work);
    if (frame->work == NULL) {
        lm_release_caller(&frame->caller);
        PyErr_NoMemory();
        return 0;
    }
    top = frame;
    frame->released = frame->foreign == NULL ? NULL : PyEval_SaveThread();
    return 1;
}

void lm_pop(lm_frame *frame)
{
    if (frame->released != NULL) {
        PyEval_RestoreThread(frame->released);
    }
    top = frame->below;
    lm_release_caller(&frame->caller);
    PyMem_RawFree(frame->work);
}

/* Tells MINPACK how a call of Python's went; a negative iflag makes it stop. */
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
    PyObject *result = lm_call(&frame->caller, frame->func, x, n);
    return lm_take_vector(lm_own_converters.as_residuals, result, fvec, m, x, n, frame->calls);
}

static void residual_callback(int *m, int *n, double *x, double *fvec, int *iflag)
{
    conclude(evaluate(top, *m, *n, x, fvec), iflag);
}

static void jacobian_callback(int *m, int *n, double *x, double *fvec, double *fjac, int *ldfjac, int *iflag)
{
    lm_frame *frame = top;
    const int turned = frame->col_deriv;

    (void)ldfjac; /* m, since fjac is an array of its own */
    if (*iflag == 1) {
        conclude(evaluate(frame, *m, *n, x, fvec), iflag);
        return;
    }
    PyObject *result = lm_call(&frame->caller, frame->jac, x, *n);
    PyArrayObject *array = lm_as_plain_jacobian(lm_own_converters.as_jacobian, result, *m, *n, turned, 1, x);
    if (array != NULL) {
        lm_copy_strided(PyArray_BYTES(array), PyArray_STRIDE(array, turned), PyArray_STRIDE(array, !turned), fjac, *m, *n);
    }
    conclude(array != NULL, iflag);
    Py_XDECREF(array);
}

static void row_callback(int *m, int *n, double *x, double *fvec, double *fjrow, int *iflag)
{
    lm_frame *frame = top;

    if (*iflag == 1) {
        conclude(evaluate(frame, *m, *n, x, fvec), iflag);
        return;
    }
    PyObject *result = lm_call_with_index(&frame->caller, frame->jac, x, *n, *iflag - 2);
    conclude(lm_take_vector(lm_own_converters.as_residuals, result, fjrow, *n, x, *n, 0), iflag);
}

lm_residual_function *lm_residual_callback(const lm_frame *frame)
{
    return frame->foreign == NULL ? residual_callback : (lm_residual_function *)frame->foreign;
}

lm_jacobian_function *lm_jacobian_callback(const lm_frame *frame)
{
    return frame->foreign == NULL ? jacobian_callback : (lm_jacobian_function *)frame->foreign;
}

lm_row_function *lm_row_callback(const lm_frame *frame)
{
    return frame->foreign == NULL ? row_callback : (lm_row_function *)frame->foreign;
}
