/* The peaks of bench_many.py, fitted one after the other by an installed original MINPACK. */
#include "peaks.h"

#include <time.h>

enum { MOST = 256, MOST_PARAMETERS = 5 };

extern void lmdif_(void (*)(int *, int *, double *, double *, int *), int *, int *, double *, double *, double *,
                   double *, double *, int *, double *, double *, int *, double *, int *, int *, int *, double *, int *,
                   int *, double *, double *, double *, double *, double *);
extern void lmder_(void (*)(int *, int *, double *, double *, double *, int *, int *), int *, int *, double *, double *,
                   double *, int *, double *, double *, double *, int *, double *, int *, double *, int *, int *, int *,
                   int *, int *, double *, double *, double *, double *, double *);

static const double *x, *y;

static void residuals(int *m, int *n, double *p, double *f, int *flag)
{
    (void)flag;
    (*n == 4 ? line : plane)(*m, x, y, p, f, NULL);
}

static void both(int *m, int *n, double *p, double *f, double *jacobian, int *ld, int *flag)
{
    (void)ld;
    (*n == 4 ? line : plane)(*m, x, y, p, *flag == 1 ? f : NULL, *flag == 2 ? jacobian : NULL);
}

/* Seconds of this thread's for `count` fits; p holds their starts, and then their ends. */
double fit_all(int with_jacobian, int count, int m, int n, const double *points, const double *data, double *p)
{
    struct timespec begin, end;
    int maxfev = 1000, mode = 1, nprint = 0, info, nfev, njev, ipvt[MOST_PARAMETERS];
    double tol = 1.49012e-8, gtol = 0, epsfcn = 0, factor = 100;
    double f[MOST], diag[MOST_PARAMETERS], fjac[MOST * MOST_PARAMETERS], qtf[MOST_PARAMETERS], wa1[MOST_PARAMETERS],
        wa2[MOST_PARAMETERS], wa3[MOST_PARAMETERS], wa4[MOST];

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
    x = points;
    for (int i = 0; i < count; i++) {
        y = data + (size_t)i * m;
        if (with_jacobian)
            lmder_(both, &m, &n, p + (size_t)i * n, f, fjac, &m, &tol, &tol, &gtol, &maxfev, diag, &mode, &factor,
                   &nprint, &info, &nfev, &njev, ipvt, qtf, wa1, wa2, wa3, wa4);
        else
            lmdif_(residuals, &m, &n, p + (size_t)i * n, f, &tol, &tol, &gtol, &maxfev, &epsfcn, diag, &mode, &factor,
                   &nprint, &info, &nfev, fjac, &m, ipvt, qtf, wa1, wa2, wa3, wa4);
    }
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
    return (end.tv_sec - begin.tv_sec) + 1e-9 * (end.tv_nsec - begin.tv_nsec);
}
