/* The decay of bench_compiled.py, fitted from C by an installed original MINPACK: microseconds of processor time a fit. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { M = 20, N = 2 };

extern void lmdif_(void (*)(int *, int *, double *, double *, int *), int *, int *, double *, double *, double *,
                   double *, double *, int *, double *, double *, int *, double *, int *, int *, int *, double *, int *,
                   int *, double *, double *, double *, double *, double *);

static double t[M], y[M];

static void fcn(int *m, int *n, double *x, double *fvec, int *iflag)
{
    (void)n;
    (void)iflag;
    for (int i = 0; i < *m; i++)
        fvec[i] = x[0] * exp(-x[1] * t[i]) - y[i];
}

int main(int argc, char **argv)
{
    const long fits = argc > 1 ? atol(argv[1]) : 10000;
    struct timespec begin, end;
    int m = M, n = N, maxfev = 600, mode = 1, nprint = 0, info, nfev, ldfjac = M, ipvt[N];
    double tol = 1.49012e-8, gtol = 0, epsfcn = 0, factor = 100;
    double x[N], fvec[M], diag[N], fjac[M * N], qtf[N], wa1[N], wa2[N], wa3[N], wa4[M];

    for (int i = 0; i < M; i++) {
        t[i] = 4.0 * i / (M - 1);
        y[i] = 2.5 * exp(-1.3 * t[i]) + 0.05 * cos(7 * t[i]);
    }
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
    for (long k = 0; k < fits; k++) {
        x[0] = x[1] = 1;
        lmdif_(fcn, &m, &n, x, fvec, &tol, &tol, &gtol, &maxfev, &epsfcn, diag, &mode, &factor, &nprint, &info, &nfev,
               fjac, &ldfjac, ipvt, qtf, wa1, wa2, wa3, wa4);
    }
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
    printf("%.4f\n", 1e6 * ((end.tv_sec - begin.tv_sec) + 1e-9 * (end.tv_nsec - begin.tv_nsec)) / fits);
    return info < 1 || info > 4;
}
