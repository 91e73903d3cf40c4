/* A fit in memory: one block, cut up into its record, its vectors and its scratch. */
#ifndef PYMINPACK_MACHINE_H
#define PYMINPACK_MACHINE_H

#include "array.h"
#include "core.h"

enum { LM_STATE = 10 }; /* careful_state of minpack/derivatives/careful.f90 */

typedef struct {
    lm_fit *fit;
    double *x, *diag, *lower, *upper, *trial, *qtf, *acnorm; /* as lm_next has them */
    double *typical, *eta; /* of differences: least sizes of the parameters, and relative steps */
    double *f, *trial_f;   /* residuals at x, and at the trial point */
    double *r;             /* R, of leading dimension ldr: n, or m where J is factored where it was made */
    int *ipvt, ldr;
    int by_blocks;  /* J is factored by blocks of rows; else `factor` keeps Q, where R has a place of its own */
    double *refuge; /* as lm_next has it */
    double *end_f;  /* residuals at the end from which the fit has gone back, as long as x is better there */
    double *step, *wa1, *wa2, *sizes, *values, *others, *point, *box, *factor; /* scratch */
    double *states; /* of careful differences: what is known of each parameter's step */
    int *side, *place, *list;
} lm_machine;

/* Cuts up the memory of a fit of these choices, whose record comes first; gives how many doubles that takes, and cuts
 * nothing where memory is NULL. */
size_t lm_cut(lm_machine *machine, const void *record, double *memory);

/* The same for an array of Python's that lm_begin has made; 0 with an exception set where it is something else. */
int lm_open(lm_machine *machine, PyObject *memory);

/* Takes sizes and the kind of scaling from arguments; 0 with an exception set where these don't fit one another. Python
 * has seen to their values; this keeps a wrong call from touching memory that isn't its own. diag is the first of the
 * optional ones, which may be None. */
int lm_fits(lm_fit *fit, PyObject *x, PyObject *f, PyObject *const optional[], int count);

/* Cuts up memory and fills in the record, a start, the residuals there unless f is NULL, and what diag, bounds, typical and
 * eta are, where they aren't NULL. */
void lm_fill(lm_machine *machine, const lm_fit *fit, double *memory, const double *x, const double *f,
             const double *const optional[], int count);

/* What an optional vector holds; NULL where it is None. */
static inline const double *lm_optional(PyObject *vector)
{
    return vector == Py_None ? NULL : lm_data(vector);
}

/* Takes a fit that is to be stopped to the end from which it has gone back, if that is better than where it stands. */
void lm_return_to_end(lm_machine *machine);

#endif
