#include "callback.h"

#ifdef _MSC_VER
static __declspec(thread) lm_frame *top = NULL;
#else
static _Thread_local lm_frame *top = NULL;
#endif

int lm_push(lm_frame *frame, PyObject *func, PyObject *jac, PyTupleObject *args, int col_deriv)
{
    *frame = (lm_frame){.below = top, .func = func, .jac = jac, .col_deriv = col_deriv};
    if (!lm_prepare_caller(&frame->caller, args)) {
        return 0;
    }
    top = frame;
    return 1;
}

void lm_pop(lm_frame *frame)
{
    top = frame->below;
    lm_release_caller(&frame->caller);
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
    if (frame->calls++ == 0) {
        return 1;
    }
    PyObject *result = lm_call(&frame->caller, frame->func, x, n, NULL);
    return lm_take_vector(lm_as_plain_vector(lm_own_converters.as_residuals, result, m, x, n, frame->calls), fvec);
}

void lm_residual_callback(int *m, int *n, double *x, double *fvec, int *iflag)
{
    conclude(evaluate(top, *m, *n, x, fvec), iflag);
}

void lm_jacobian_callback(int *m, int *n, double *x, double *fvec, double *fjac, int *ldfjac, int *iflag)
{
    lm_frame *frame = top;
    const int turned = frame->col_deriv;

    (void)ldfjac; /* m, since fjac is an array of its own */
    if (*iflag == 1) {
        conclude(evaluate(frame, *m, *n, x, fvec), iflag);
        return;
    }
    PyObject *result = lm_call(&frame->caller, frame->jac, x, *n, NULL);
    PyArrayObject *array = lm_as_plain_jacobian(lm_own_converters.as_jacobian, result, *m, *n, turned, 1, x);
    if (array != NULL) {
        lm_copy_strided(PyArray_BYTES(array), PyArray_STRIDE(array, turned), PyArray_STRIDE(array, !turned), fjac, *m,
                        *n);
    }
    conclude(array != NULL, iflag);
    Py_XDECREF(array);
}

void lm_row_callback(int *m, int *n, double *x, double *fvec, double *fjrow, int *iflag)
{
    lm_frame *frame = top;

    if (*iflag == 1) {
        conclude(evaluate(frame, *m, *n, x, fvec), iflag);
        return;
    }
    PyObject *index = PyLong_FromLong(*iflag - 2);
    PyObject *result = index == NULL ? NULL : lm_call(&frame->caller, frame->jac, x, *n, index);
    Py_XDECREF(index);
    conclude(lm_take_vector(lm_as_plain_vector(lm_own_converters.as_residuals, result, *n, x, *n, 0), fjrow), iflag);
}
