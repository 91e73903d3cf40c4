/* Python callables as the routine `fcn` that MINPACK's lmdif, lmder and lmstr call.
 *
 * MINPACK hands its callback no pointer of the caller's, so each solve pushes a frame on a stack of its thread, and the
 * callbacks find what they need on top: solves may nest, and run in several threads, but not be interleaved in one.
 * Nothing but the wrappers of these three in drivers.pyf comes here.
 */
#ifndef PYMINPACK_CALLBACK_H
#define PYMINPACK_CALLBACK_H

#include "callable.h"

/* `fcn` as the three call it; see minpack/base/callbacks.f90. */
typedef void lm_residual_function(int *m, int *n, double *x, double *fvec, int *iflag);
typedef void lm_jacobian_function(int *m, int *n, double *x, double *fvec, double *fjac, int *ldfjac, int *iflag);
typedef void lm_row_function(int *m, int *n, double *x, double *fvec, double *fjrow, int *iflag);

typedef struct lm_frame {
    struct lm_frame *below; /* the solve that this one runs inside of, in this thread */
    lm_caller caller;
    PyObject *func, *jac;   /* func(x, *args); jac(x, *args), or a row of it, jac(x, i, *args); or NULL */
    int col_deriv;          /* jac gives (n, m) */
    int primed;             /* the caller's fvec already holds the residuals at the start */
    long calls;             /* of func so far, the one before the solve included */
    double *work;           /* the solver's scratch: 5 n + m numbers */
    void *foreign;          /* the routine of somebody else's capsule, which MINPACK calls with nothing in between */
    PyThreadState *released; /* not NULL: the GIL is released, since no Python is called */
} lm_frame;

/* Prepares a frame; 0 with an exception set where that can't be. */
int lm_push(lm_frame *frame, PyObject *func, PyObject *jac, PyTupleObject *args, int col_deriv, int m, int n);
void lm_pop(lm_frame *frame);

/* The routine for each driver to call. */
lm_residual_function *lm_residual_callback(const lm_frame *frame);
lm_jacobian_function *lm_jacobian_callback(const lm_frame *frame);
lm_row_function *lm_row_callback(const lm_frame *frame);

#endif
