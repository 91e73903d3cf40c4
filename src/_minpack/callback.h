/* Python callables as the routine `fcn` that MINPACK's lmdif, lmder and lmstr call.
 *
 * MINPACK hands its callback no pointer of the caller's, so each solve pushes a frame on a stack of its thread, and the
 * callbacks find what they need on top: solves may nest, and run in several threads, but not be interleaved in one.
 * Nothing but the wrappers of these three in drivers.pyf comes here.
 */
#ifndef PYMINPACK_CALLBACK_H
#define PYMINPACK_CALLBACK_H

#include "callable.h"

typedef struct lm_frame {
    struct lm_frame *below; /* the solve that this one runs inside of, in this thread */
    lm_caller caller;
    PyObject *func, *jac; /* func(x, *args); jac(x, *args), or a row of it, jac(x, i, *args); or NULL */
    int col_deriv;        /* jac gives (n, m) */
    long calls;           /* of func so far; the first finds its answer in place, as the caller has brought it */
} lm_frame;

/* Prepares a frame; 0 with an exception set where that can't be. */
int lm_push(lm_frame *frame, PyObject *func, PyObject *jac, PyTupleObject *args, int col_deriv);
void lm_pop(lm_frame *frame);

/* `fcn` of lmdif, lmder and lmstr; see minpack/base/callbacks.f90. */
void lm_residual_callback(int *m, int *n, double *x, double *fvec, int *iflag);
void lm_jacobian_callback(int *m, int *n, double *x, double *fvec, double *fjac, int *ldfjac, int *iflag);
void lm_row_callback(int *m, int *n, double *x, double *fvec, double *fjrow, int *iflag);

#endif
