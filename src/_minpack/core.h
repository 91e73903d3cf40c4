/* What the C files call of the Fortran core; see the files of these names in minpack/. */
#ifndef PYMINPACK_CORE_H
#define PYMINPACK_CORE_H

#include "callback.h"

#include <stddef.h>

extern void lmdif_(lm_residual_function *fcn, int *m, int *n, double *x, double *fvec, double *ftol, double *xtol,
                   double *gtol, int *maxfev, double *epsfcn, double *diag, int *mode, double *factor, int *nprint,
                   int *info, int *nfev, double *fjac, int *ldfjac, int *ipvt, double *qtf, double *wa1, double *wa2,
                   double *wa3, double *wa4);
extern void lmder_(lm_jacobian_function *fcn, int *m, int *n, double *x, double *fvec, double *fjac, int *ldfjac,
                   double *ftol, double *xtol, double *gtol, int *maxfev, double *diag, int *mode, double *factor,
                   int *nprint, int *info, int *nfev, int *njev, int *ipvt, double *qtf, double *wa1, double *wa2,
                   double *wa3, double *wa4);
extern void lm_differences_(lm_residual_function *fcn, int *m, int *n, double *x, double *fvec, double *ftol,
                            double *xtol, double *gtol, int *maxfev, double *epsfcn, double *diag, int *mode,
                            double *factor, int *nprint, int *info, int *nfev, double *fjac, int *ldfjac, int *ipvt,
                            double *qtf, double *wa1, double *wa2, double *wa3, double *wa4, int *by_blocks,
                            double *work);
extern void lmtri_(lm_triangle_function *fcn, int *m, int *n, double *x, double *fvec, double *t, double *r,
                   double *ftol, double *xtol, double *gtol, int *maxfev, double *diag, int *mode, double *factor,
                   int *info, int *nfev, int *njev, int *ipvt, double *qtf, double *wa1, double *wa2, double *wa3,
                   double *wa4);

/* As minpack/drivers/lmbox.f90 has them. */
typedef struct {
    double precision;
    int by_differences, tried, boxed, by_blocks, floored;
    double renewed;
} lm_source;

typedef struct {
    int nfev, njev, nit;
} lm_counts;

extern void lmbox_(lm_jacobian_function *fcn, const double *control, lm_source *source, int *m, int *n, double *x,
                   double *fvec, double *diag, double *state, lm_counts *counts, double *lower, double *upper,
                   double *typical, double *eta, int *status, int *current, double *fjac, double *r, int *ipvt,
                   double *qtf, double *acnorm, double *wa1, double *wa2, double *wa3, double *wa4, double *wa5,
                   int *side, int *place, double *box, double *factor);

extern int blocks_pay_(const int *m, const int *n);
extern size_t blocks_work_(const int *n);
extern int block_rows_(const int *n);
extern void fold_jacobian_(int *m, int *n, double *fjac, int *by_rows, double *f, double *t, int *ldt, double *block,
                           int *ldb, double *wa);

#endif
