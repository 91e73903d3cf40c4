/* Residuals and Jacobians that are machine code already, kept in capsules for solve.c to call. */
#ifndef PYMINPACK_COMPILED_H
#define PYMINPACK_COMPILED_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* What a compiled function looks like from C. All but lm_minpack_residuals return 0, or anything else to stop. */
typedef int lm_compiled_residuals(int m, int n, const double *x, double *fvec, void *data);
typedef int lm_compiled_jacobian(int m, int n, const double *x, double *fjac, void *data);
typedef void lm_minpack_residuals(int *m, int *n, double *x, double *fvec, int *iflag);

typedef enum {
    LM_RESIDUALS = 0,  /* lm_compiled_residuals */
    LM_MINPACK = 1,    /* lm_minpack_residuals */
    LM_JACOBIAN_C = 2, /* lm_compiled_jacobian, which fills rows: fjac[i*n + j] */
    LM_JACOBIAN_F = 3, /* lm_compiled_jacobian, which fills columns: fjac[j*m + i] */
} lm_convention;

typedef struct {
    void *function;
    void *data;
    lm_convention convention;
    int m, n; /* residuals, and parameters; n is 0 for residuals, which take any number of them */
} lm_compiled;

/* The compiled function that a capsule holds; NULL, without an exception, where an object is something else. */
const lm_compiled *lm_as_compiled(PyObject *object);

/* Calls it. 0, or a negative number where the function asks to stop: minus the size of what it returned. */
int lm_call_compiled(const lm_compiled *compiled, int m, int n, const double *x, double *result);

#endif
