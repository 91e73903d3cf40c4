/* Fits, from beginning to end or some steps at a time: the one way from Python into the iteration. */
#ifndef PYMINPACK_SOLVE_H
#define PYMINPACK_SOLVE_H

#include "callable.h"
#include "machine.h"

/* One call of lm_solve or lm_leastsq, with all that it calls. Nothing of it outlives the call. */
typedef struct {
    lm_machine p;
    lm_caller caller;
    PyObject *func, *jac; /* func(x, *args), jac(x, *args); or machine code; jac may be NULL */
    const lm_compiled *func_compiled, *jac_compiled; /* what they are, where they are compiled; or NULL */
    lm_converters convert;
    PyObject *source;     /* source(x, f) gives the Jacobian, in the place of jac and of differences; or NULL */
    PyObject *workers;    /* workers(points) gives a list of what func gives at each; or NULL */
    PyObject *loss;       /* a robust loss with methods norm and correct; or NULL */
    PyArrayObject *jacobian; /* J, where it is stored in an array: of shape (m, n), or (n, m) with col_deriv */
    int owns_jacobian;    /* that array is of our own making, and of shape (m, n) */
    int col_deriv;        /* jac gives (n, m) */
    int sees_signals;     /* func is Python code, which looks for Ctrl-C itself */
    PyThreadState *released; /* not NULL: no Python is called, and the GIL is released */
    double looked;        /* when signals were last looked for, in seconds; with the GIL released */
} lm_run;

#endif
