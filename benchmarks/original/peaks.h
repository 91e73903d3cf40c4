/* The peaks of bench_many.py: residuals beside data y at x, and their derivatives, column after column; NULL for what isn't
 * wanted. */
#ifndef PEAKS_H
#define PEAKS_H

#include <math.h>
#include <stddef.h>

/* a exp(-((x - b)/c)²/2) + d */
static inline void line(int m, const double *x, const double *y, const double *p, double *f, double *jacobian)
{
    for (int i = 0; i < m; i++) {
        const double z = (x[i] - p[1]) / p[2], bell = exp(-0.5 * z * z);
        if (f != NULL)
            f[i] = p[0] * bell + p[3] - y[i];
        if (jacobian != NULL) {
            jacobian[i] = bell;
            jacobian[m + i] = p[0] * bell * z / p[2];
            jacobian[2 * m + i] = p[0] * bell * z * z / p[2];
            jacobian[3 * m + i] = 1;
        }
    }
}

/* a exp(-((x - b)² + (y - c)²)/(2 s²)) + d */
static inline void plane(int m, const double *x, const double *y, const double *p, double *f, double *jacobian)
{
    for (int i = 0; i < m; i++) {
        const double u = (x[i] - p[1]) / p[3], v = (x[m + i] - p[2]) / p[3], bell = exp(-0.5 * (u * u + v * v));
        if (f != NULL)
            f[i] = p[0] * bell + p[4] - y[i];
        if (jacobian != NULL) {
            jacobian[i] = bell;
            jacobian[m + i] = p[0] * bell * u / p[3];
            jacobian[2 * m + i] = p[0] * bell * v / p[3];
            jacobian[3 * m + i] = p[0] * bell * (u * u + v * v) / p[3];
            jacobian[4 * m + i] = 1;
        }
    }
}

#endif
