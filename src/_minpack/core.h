/* What the C files call of the Fortran core; see the routines of these names in minpack/. */
#ifndef PYMINPACK_CORE_H
#define PYMINPACK_CORE_H

#include "fit.h"

#include <stddef.h>

extern void lm_begin_(lm_fit *fit, const double *fnorm);
extern void lm_next_(lm_fit *fit, const int *n, double *r, const int *ldr, const int *ipvt, const double *qtf,
                     const double *acnorm, double *diag, const double *x, const double *lower, const double *upper,
                     int *wanted, double *trial, double *step, double *wa1, double *wa2, int *side, int *place,
                     double *box, double *refuge);
extern void lm_take_factor_(lm_fit *fit, const int *n, const double *r, const int *ldr, const int *ipvt,
                            const double *qtf, const double *acnorm, const double *x, const double *lower,
                            const double *upper, double *diag, double *wa1, double *wa2);
extern void go_home_(lm_fit *fit, const int *n, double *x, const double *refuge);
extern void lm_take_norm_(lm_fit *fit, const int *n, const double *diag, const double *trial, const double *norm,
                          double *x, double *wa);

extern void lm_take_curvature_(lm_fit *fit, const int *n, double *r, const int *ldr, const int *ipvt, double *curvature,
                               const double *diag, double *x, const double *lower, const double *upper, double *trial,
                               const double *step, double *bend, double *wa1, double *wa2, int *side, int *place,
                               double *box);

extern void plan_differences_(const lm_fit *fit, const int *n, const double *x, const double *typical, double *eta,
                              const double *lower, const double *upper, const double *acnorm, double *states, int *list,
                              double *sizes, double *values, double *others, int *count);
extern void difference_point_(const lm_fit *fit, const int *n, const double *x, const int *list, const double *values,
                              const double *others, const int *i, double *point);
extern void take_difference_(const lm_fit *fit, const int *m, const int *n, const double *x, const double *f,
                             const int *list, const double *values, const double *others, const int *i,
                             const double *moved, double *fjac, double *states);
extern void doubt_differences_(lm_fit *fit, const int *m, const int *n, const double *x, const double *f,
                               const double *sizes, const double *lower, const double *upper, const double *fjac,
                               const double *states, int *verdict, double *point, int *doubted);
extern void settle_differences_(lm_fit *fit, const int *m, const int *n, const double *x, const double *f,
                                const double *fjac, const int *verdict, const double *point, double *moved, int *again);

extern void find_column_errors_(const lm_fit *fit, const int *n, const double *x, const double *lower,
                                const double *upper, const double *states, double *errors);

extern void robust_norm_(const int *m, const double *f, const int *loss, const double *scale, double *norm);
extern void robust_residuals_(const int *m, const double *f, const int *loss, const double *scale, double *g);
extern void robust_rows_(const int *m, const double *f, const int *loss, const double *scale, double *column);
extern void lengths_beside_(const int *n, const double *x, const double *start, const double *norms,
                            const double *highest, const double *precision, double *lengths);
extern void point_beside_(const int *n, const double *x, const double *start, const double *lengths, const int *unlike,
                          const double *lower, const double *upper, double *point);
extern void agrees_beside_(const int *m, const int *n, const double *error, const double *step, const double *norms,
                           const double *change, double *wa, int *agrees);

extern void lose_jacobian_(lm_fit *fit);
extern void look_again_(lm_fit *fit, const int *n, double *states);
extern void find_jacobian_error_(const lm_fit *fit, double *error);
extern void lm_gradient_(const int *n, const double *r, const int *ldr, const int *ipvt, const double *qtf, double *g);
extern void identifiable_(const int *n, const double *r, const int *ldr, const int *ipvt, const double *tol, int *rank,
                          double *norms, double *inverse, int *undetermined, double *cond, double *a, int *order,
                          double *rdiag, double *wa);
extern double enorm_(const int *n, const double *x);
extern int blocks_pay_(const int *m, const int *n);
extern size_t blocks_work_(const int *n);
extern void lm_factor_(const int *m, const int *n, double *fjac, const int *ldfjac, int *ipvt, double *f, double *qtf,
                       double *acnorm, double *rdiag, double *wa);
extern void apply_qt_(const int *m, const int *n, const double *q, const int *ldq, double *f);
extern void lm_factorize_(const int *m, const int *n, const double *fjac, const int *by_rows, const int *by_blocks,
                          double *f, double *r, const int *ldr, int *ipvt, double *qtf, double *acnorm, double *wa,
                          double *work);

#endif
