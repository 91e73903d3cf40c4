/* What the C files call of the Fortran core; see the files of these names in minpack/. */
#ifndef PYMINPACK_CORE_H
#define PYMINPACK_CORE_H

#include "fit.h"

#include <stddef.h>

/* iteration/ */
extern void lm_begin_(lm_fit *fit, const double *fnorm);
extern void lm_next_(lm_fit *fit, const int *n, double *r, const int *ldr, const int *ipvt, const double *qtf,
                     const double *acnorm, double *diag, const double *x, const double *lower, const double *upper,
                     int *wanted, double *trial, double *step, double *wa1, double *wa2, int *side, int *place,
                     double *box);
extern void lm_take_factor_(lm_fit *fit, const int *n, const double *r, const int *ldr, const int *ipvt,
                            const double *qtf, const double *acnorm, const double *x, const double *lower,
                            const double *upper, double *diag, double *wa1, double *wa2);
extern void lm_take_norm_(lm_fit *fit, const int *n, const double *diag, const double *trial, const double *norm,
                          double *x, double *wa);

/* derivatives/ */
extern void forward_steps_(const int *n, const double *x, const double *typical, const double *eta,
                           const double *lower, const double *upper, double *sizes, double *beside, double *lengths);
extern void central_steps_(const int *n, const double *x, const double *typical, const double *eta,
                           const double *lower, const double *upper, double *near, double *far);
extern void central_column_(const int *m, const double *f, const double *near, const double *far,
                            const double *to_near, const double *to_far, double *column);
extern void find_coarse_(const int *m, const int *n, const double *sizes, const double *fvec, const double *fjac,
                         int *verdict);
extern void longer_point_(const int *n, const double *x, const double *sizes, const int *verdict, const double *lower,
                          const double *upper, double *point);
extern void contradicts_(const int *m, const int *n, const double *x, const double *fvec, const double *fjac,
                         const int *verdict, const double *point, double *moved, int *answer);

/* linalg/ and tall/ */
extern double enorm_(const int *n, const double *x);
extern void lm_factor_(const int *m, const int *n, double *fjac, const int *ldfjac, int *ipvt, double *f, double *qtf,
                       double *acnorm, double *rdiag, double *wa);
extern void lm_pivot_(const int *n, const double *t, const int *ldt, double *r, const int *ldr, int *ipvt, double *qtf,
                      double *acnorm, double *rdiag, double *wa);
extern int blocks_pay_(const int *m, const int *n);
extern size_t blocks_work_(const int *n);
extern int fold_rows_(const int *n);
extern void fold_jacobian_(const int *m, const int *n, const double *fjac, const int *by_rows, const double *f,
                           double *t, const int *ldt, double *block, const int *ldb, double *wa);

#endif
