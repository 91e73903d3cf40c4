/* Python callables, and compiled ones in a capsule, as the routine `fcn` that MINPACK calls.
 *
 * MINPACK hands its callback no pointer of the caller's, so each solve pushes a frame on a stack of its
 * thread, and the callbacks find what they need on top: solves may nest, and run in several threads.
 */
#ifndef PYMINPACK_CALLBACK_H
#define PYMINPACK_CALLBACK_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#ifndef PY_ARRAY_UNIQUE_SYMBOL
#define PY_ARRAY_UNIQUE_SYMBOL _npy_f2py_ARRAY_API /* as f2py's fortranobject.h has it */
#define NO_IMPORT_ARRAY
#endif
#include <numpy/arrayobject.h>

#include "compiled.h"

/* `fcn` as lmdif calls it, and as lmder, lmstr and lmtri do; see minpack/base/callbacks.f90. */
typedef void lm_residual_function(int *m, int *n, double *x, double *fvec, int *iflag);
typedef void lm_jacobian_function(int *m, int *n, double *x, double *fvec, double *fjac, int *ldfjac,
                                  int *iflag);
typedef void lm_row_function(int *m, int *n, double *x, double *fvec, double *fjrow, int *iflag);
typedef void lm_triangle_function(int *m, int *n, double *x, double *fvec, double *t, int *iflag);

enum { LM_INLINE_ARGS = 8 };

/* One solve in progress. */
typedef struct lm_frame {
    struct lm_frame *below;       /* the solve that this one runs inside of, in this thread */
    PyObject *func;               /* residuals: func(x, *args) */
    PyObject *jac;                /* Jacobian: jac(x, *args), or a row of it: jac(x, i, *args); or NULL */
    const lm_compiled *func_compiled; /* what func is, where it is compiled; or NULL */
    const lm_compiled *jac_compiled;  /* what jac is, where it is compiled; or NULL */
    PyObject *as_residuals, *as_jacobian; /* what converts results: see results.h */
    PyObject **call;              /* arguments of the next call: a spare place, x, a place for i, *args */
    PyObject *call_inline[LM_INLINE_ARGS];
    Py_ssize_t nargs;             /* how many args */
    PyArrayObject *x;             /* the last argument array, or NULL */
    int col_deriv;                /* the Jacobian comes as (n, m) */
    int sees_signals;             /* func is Python code, which looks for Ctrl-C itself */
    int primed;                   /* the caller's fvec already holds the residuals at the start */
    long calls;                   /* calls of func so far, the one before the solve included */
    double *work;                 /* the solver's scratch */
    double *rows;                 /* scratch for a compiled Jacobian that fills rows, or is to be folded */
    double *blocks;               /* scratch for folding blocks of rows: of blocks_work(n) numbers */
    double *rejected;             /* gets a Jacobian that is to be folded and isn't finite: (n, m), or NULL */
    PyThreadState *released;      /* not NULL: no Python is called, and the GIL is released */
    double looked;                /* when signals were last looked for, in seconds; with the GIL released */
} lm_frame;

/* Each prepares a frame and gives the routine for MINPACK to call, or NULL with an exception set. Where all that is
 * called is compiled, the GIL is released until lm_pop. A capsule of somebody else's in the place of func is taken
 * for that very routine. */
lm_residual_function *lm_push_residuals(lm_frame *frame, PyObject *func, PyTupleObject *args, int m, int n);
lm_jacobian_function *lm_push_jacobian(lm_frame *frame, PyObject *func, PyObject *jac, PyTupleObject *args,
                                       int col_deriv, int m, int n);
lm_row_function *lm_push_rows(lm_frame *frame, PyObject *func, PyObject *jac, PyTupleObject *args, int m, int n);
lm_triangle_function *lm_push_triangle(lm_frame *frame, PyObject *func, PyObject *jac, PyTupleObject *args,
                                       int col_deriv, int m, int n, double *blocks, double *rejected);

/* Ends a solve. */
void lm_pop(lm_frame *frame);

/* In the place of f2py's create_cb_arglist, which asks a callable in six attributes how many arguments it takes,
 * mistakes some, and takes a third of a small solve's overhead for it. What is called, and with what, is settled
 * here; f2py only needs a tuple that it can drop. */
static inline int lm_accept_callable(PyObject *Py_UNUSED(func), PyTupleObject *Py_UNUSED(extra),
                                     int Py_UNUSED(most), int Py_UNUSED(optional), int *count,
                                     PyTupleObject **args, const char *Py_UNUSED(message))
{
    *count = 0;
    *args = (PyTupleObject *)PyTuple_New(0);
    return *args != NULL;
}

/* f2py forgets the arrays that it has made for a routine's results where the routine leaves an exception: a leak of
 * all of them. By f2py's names, in its wrappers of the drivers. */
#define LM_DROP_RESULTS \
    do { \
        Py_CLEAR(capi_x_as_array); \
        Py_CLEAR(capi_fvec_as_array); \
        Py_CLEAR(capi_fjac_as_array); \
        Py_CLEAR(capi_ipvt_as_array); \
        Py_CLEAR(capi_qtf_as_array); \
    } while (0)

#endif
