/* A fit under way, and what goes on with it: solve.c for one fit, many.c for one after the other. */
#ifndef PYMINPACK_RUN_H
#define PYMINPACK_RUN_H

#include "callable.h"
#include "machine.h"

#include <limits.h>

/* A fit with all that it calls. Nothing of it outlives the call from Python. */
typedef struct {
    lm_machine p;
    lm_caller caller;
    PyObject *func, *jac; /* func(x, *args), jac(x, *args); or machine code; jac may be NULL */
    const lm_compiled *func_compiled, *jac_compiled; /* what they are, where they are compiled; or NULL */
    lm_converters convert;
    PyObject *source;        /* source(x, f) gives the Jacobian, in the place of jac and of differences; or NULL */
    PyObject *workers;       /* workers(points) gives a list of what func gives at each; or NULL */
    PyObject *loss;          /* a robust loss of the user's, with methods norm and correct; or NULL */
    int known_loss;          /* or the number of one of minpack/iteration/robust.f90; 0 for none */
    double scale;            /* of the residuals, with such a loss */
    PyObject *answer;        /* what func gave last, until it is called again; or NULL */
    PyArrayObject *jacobian; /* J, where it is stored in an array: of shape (m, n), or (n, m) with col_deriv */
    enum { NOT_MADE_HERE, MADE_BY_ROWS, MADE_BY_COLUMNS } kind; /* whose it is */
    PyArrayObject *earlier;  /* the one before, at the end of a fit, for where the last one isn't finite; or NULL */
    double *room[2];         /* memory for J and for the one before, in the place of these arrays; or NULL */
    int col_deriv;           /* jac gives (n, m) */
    int given;               /* Jacobians that jac has given */
    int sees_signals;        /* func is Python code, which looks for Ctrl-C itself */
    PyThreadState *released; /* not NULL: no Python is called, and the GIL is released */
    double looked;           /* when signals were last looked for, in seconds; with the GIL released */
} lm_run;

/* How a call of the user's went; any other number is the negative one with which a compiled function asks to stop. */
enum { GO_ON = 0, EXCEPTION = INT_MIN };

/* Releases the GIL, for a run that calls no Python, and takes it back. */
void lm_release_gil(lm_run *run);
void lm_take_gil(lm_run *run);

/* ‖f‖, or the root of twice the robust cost by a loss that is known here. */
double lm_known_norm(const lm_run *run, const double *f);

/* Goes on for so many accepted steps, or to the end where steps < 0. A fit that the last of these steps ends is brought to
 * its end as well. */
int lm_go_on(lm_run *run, long steps);

/* The factorization at x, unless the last one is that; or that J isn't finite where a fit has ended. */
int lm_bring_factor(lm_run *run);

#endif
