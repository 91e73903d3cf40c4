/* Functions of the user's, called time and again, and what they give, as the doubles that the core wants: callables of
 * Python's, as func(x, *args), and machine code. */
#ifndef PYMINPACK_CALLABLE_H
#define PYMINPACK_CALLABLE_H

#include "array.h"

typedef struct {
    PyObject **call;      /* arguments of the next call: a spare place, x, a place for an index, *args */
    Py_ssize_t nargs;     /* how many args */
    PyArrayObject *x;     /* the last argument array, or NULL */
    PyArrayObject *whole; /* all parameters, where some are fixed, or NULL: x gives the others */
    const npy_intp *free; /* which ones those are */
} lm_caller;

/* Prepares a caller of zeros for calls with these args, or NULL for none; 0 with an exception set without memory. */
int lm_prepare_caller(lm_caller *caller, PyTupleObject *args);
void lm_release_caller(lm_caller *caller);

/* func(x, *args), or func(x, index, *args): a new reference, or NULL with an exception set. */
PyObject *lm_call(lm_caller *caller, PyObject *func, const double *x, int n, PyObject *index);

/* What makes of other results what is wanted, or raises: as_residuals(result, m, x, calls) gives a contiguous float64
 * array of m values, as_jacobian(result, m, n, col_deriv, x) one of shape (m, n), or (n, m). */
typedef struct {
    PyObject *as_residuals, *as_jacobian;
} lm_converters;

/* Those of leastsq, which set_converters has set. */
extern lm_converters lm_own_converters;

/* A vector of `size` float64 numbers, converted where it has to be; takes over the reference and gives one, or NULL with an
 * exception set. */
PyObject *lm_as_plain_vector(PyObject *converter, PyObject *result, int size, const double *x, int n, long calls);

/* Copies such a vector and drops it; 0 where it is NULL. */
int lm_take_vector(PyObject *vector, double *to);

/* The same for a Jacobian, which is converted always unless it is `trusted`. */
PyArrayObject *lm_as_plain_jacobian(PyObject *converter, PyObject *result, int m, int n, int col_deriv, int trusted,
                                    const double *x);

/* fjac(i, j) from values `down` and `across` bytes apart, some rows at a time so that they are read through once. */
void lm_copy_strided(const char *data, npy_intp down, npy_intp across, double *fjac, int m, int n);

/* Machine code, as an object of this module holds it. */
typedef struct {
    void *function, *data;
    enum { LM_RESIDUALS, LM_MINPACK, LM_JACOBIAN_C, LM_JACOBIAN_F } convention; /* a Jacobian by rows, and by columns */
    int m, n; /* residuals, and parameters; n is 0 for residuals, which take any number of them */
    const double *weights; /* that residuals and rows of a Jacobian are multiplied by, or NULL */
} lm_compiled;

/* What it looks like from C, and MINPACK's own residuals. The first returns 0, or anything else to stop. */
typedef int lm_compiled_function(int m, int n, const double *x, double *result, void *data);
typedef void lm_minpack_residuals(int *m, int *n, double *x, double *fvec, int *iflag);

/* The machine code that an object of Python's stands for, as lm_machine_code makes them; NULL, without an exception, where
 * it is something else. */
const lm_compiled *lm_as_compiled(PyObject *object);

/* Calls it. 0, or a negative number where the function asks to stop: minus the size of what it returned. The first and the
 * last number of a result that the function leaves alone are NaN. */
int lm_call_compiled(const lm_compiled *compiled, int m, int n, const double *x, double *result);

#endif
