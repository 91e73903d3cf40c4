/* The peaks of bench_many.py as compiled functions: x and y of a fit one after the other in `data`. */
#include "original/peaks.h"

int line_residuals(int m, int n, const double *p, double *f, void *data)
{
    (void)n;
    line(m, data, (double *)data + m, p, f, NULL);
    return 0;
}

int line_jacobian(int m, int n, const double *p, double *jacobian, void *data)
{
    (void)n;
    line(m, data, NULL, p, NULL, jacobian);
    return 0;
}

int plane_residuals(int m, int n, const double *p, double *f, void *data)
{
    (void)n;
    plane(m, data, (double *)data + 2 * m, p, f, NULL);
    return 0;
}

int plane_jacobian(int m, int n, const double *p, double *jacobian, void *data)
{
    (void)n;
    plane(m, data, NULL, p, NULL, jacobian);
    return 0;
}
