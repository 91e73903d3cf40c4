/* What the tests and the benchmarks fit: y = a exp(-b t), t and y one after the other in `data`. */
#include <math.h>
#include <signal.h>
#include <unistd.h>

int residuals(int m, int n, const double *x, double *fvec, void *data)
{
    const double *t = data, *y = t + m;
    for (int i = 0; i < m; i++)
        fvec[i] = x[0] * exp(-x[1] * t[i]) - y[i];
    return 0;
}

int jacobian_rows(int m, int n, const double *x, double *fjac, void *data)
{
    const double *t = data;
    for (int i = 0; i < m; i++) {
        fjac[i * n] = exp(-x[1] * t[i]);
        fjac[i * n + 1] = -x[0] * t[i] * fjac[i * n];
    }
    return 0;
}

int jacobian_columns(int m, int n, const double *x, double *fjac, void *data)
{
    const double *t = data;
    for (int i = 0; i < m; i++) {
        fjac[i] = exp(-x[1] * t[i]);
        fjac[i + m] = -x[0] * t[i] * fjac[i];
    }
    return 0;
}

/* The same residuals as MINPACK's fcn, with a decay of its own in the place of data. */
void minpack_fcn(int *m, int *n, double *x, double *fvec, int *iflag)
{
    for (int i = 0; i < *m; i++)
        fvec[i] = x[0] * exp(-x[1] * i / 5.0) - 2.5 * exp(-1.3 * i / 5.0);
}

/* data: how many calls are left before it asks to stop; then by what number. */
int stops(int m, int n, const double *x, double *fvec, void *data)
{
    double *left = data;
    for (int i = 0; i < m; i++)
        fvec[i] = x[0] * exp(-x[1] * i / 5.0) - 2.5 * exp(-1.3 * i / 5.0);
    left[0] -= 1;
    return left[0] < 0 ? (int)left[1] : 0;
}

void minpack_stops(int *m, int *n, double *x, double *fvec, int *iflag)
{
    for (int i = 0; i < *m; i++)
        fvec[i] = x[0] + i;
    if (x[0] != 1)
        *iflag = -42;
}

/* data: calls so far. Takes a millisecond a call; m is n. */
int slow(int m, int n, const double *x, double *fvec, void *data)
{
    double *calls = data;
    calls[0] += 1;
    usleep(1000);
    for (int i = 0; i < m; i++)
        fvec[i] = x[i] * x[i] - 2;
    return 0;
}

/* The same; data: calls so far, and at which of them somebody presses Ctrl-C. */
int interrupted(int m, int n, const double *x, double *fvec, void *data)
{
    const double *calls = data;
    const int status = slow(m, n, x, fvec, data);
    if (calls[0] == calls[1])
        kill(getpid(), SIGINT);
    return status;
}

/* data: calls so far. */
int counted(int m, int n, const double *x, double *fvec, void *data)
{
    double *calls = data;
    calls[0] += 1;
    for (int i = 0; i < m; i++)
        fvec[i] = x[0] + i * x[1] - 1;
    return 0;
}

/* A peak of height x[0] at x[1], x[2] wide, on a base of x[3]: t and y one after the other in `data`. */
int peak(int m, int n, const double *x, double *fvec, void *data)
{
    const double *t = data, *y = t + m;
    for (int i = 0; i < m; i++) {
        const double u = (t[i] - x[1]) / x[2];
        fvec[i] = x[0] * exp(-0.5 * u * u) + x[3] - y[i];
    }
    return 0;
}

/* Residuals that no parameter changes. */
int flat(int m, int n, const double *x, double *fvec, void *data)
{
    for (int i = 0; i < m; i++)
        fvec[i] = 1;
    return 0;
}

/* data: a matrix A of shape (m, n), row by row. The residuals are y + y²/10 - 1 with y = A x. */
static double row_times(const double *row, const double *x, int n)
{
    double y = 0;
    for (int j = 0; j < n; j++)
        y += row[j] * x[j];
    return y;
}

int product(int m, int n, const double *x, double *fvec, void *data)
{
    const double *a = data;
    for (int i = 0; i < m; i++) {
        const double y = row_times(a + (long)i * n, x, n);
        fvec[i] = y + 0.1 * y * y - 1;
    }
    return 0;
}

int product_rows(int m, int n, const double *x, double *fjac, void *data)
{
    const double *a = data;
    for (int i = 0; i < m; i++) {
        const double slope = 1 + 0.2 * row_times(a + (long)i * n, x, n);
        for (int j = 0; j < n; j++)
            fjac[(long)i * n + j] = slope * a[(long)i * n + j];
    }
    return 0;
}

int peak_rows(int m, int n, const double *x, double *fjac, void *data)
{
    const double *t = data;
    for (int i = 0; i < m; i++) {
        const double u = (t[i] - x[1]) / x[2], bell = exp(-0.5 * u * u);
        fjac[i * n] = bell;
        fjac[i * n + 1] = x[0] * bell * u / x[2];
        fjac[i * n + 2] = x[0] * bell * u * u / x[2];
        fjac[i * n + 3] = 1;
    }
    return 0;
}

/* A decay, t and y one after the other. Asks to stop with 5 where the first of y is below 0, and with 17 where b is above 1.5. */
int stops_beyond(int m, int n, const double *x, double *fvec, void *data)
{
    const double *y = (const double *)data + m;
    residuals(m, n, x, fvec, data);
    return y[0] < 0 ? 5 : x[1] > 1.5 ? 17 : 0;
}

/* The same as `slow`, of which somebody presses Ctrl-C at the 20th call since `pressed` was 0. */
int pressed = 0;

int presses(int m, int n, const double *x, double *fvec, void *data)
{
    double calls = 0;
    if (__atomic_add_fetch(&pressed, 1, __ATOMIC_SEQ_CST) == 20)
        kill(getpid(), SIGINT);
    return slow(m, n, x, fvec, &calls);
}

/* a u + b exp(-a v): two variables, u and v, and y, one after the other. */
int two_variables(int m, int n, const double *x, double *fvec, void *data)
{
    const double *u = data, *v = u + m, *y = v + m;
    for (int i = 0; i < m; i++)
        fvec[i] = x[0] * u[i] + x[1] * exp(-x[0] * v[i]) - y[i];
    return 0;
}

/* data: two points where to be, as m = n = 2. Waits at its first call until two threads are here, for five seconds at most;
 * asks to stop where none has come. */
static int met = 0;

int meets(int m, int n, const double *x, double *fvec, void *data)
{
    double *place = data;
    if (place[2] == 0) {
        place[2] = 1;
        __atomic_add_fetch(&met, 1, __ATOMIC_SEQ_CST);
        for (int i = 0; i < 5000 && __atomic_load_n(&met, __ATOMIC_SEQ_CST) < 2; i++)
            usleep(1000);
    }
    fvec[0] = x[0] - place[0];
    fvec[1] = x[1] - place[1];
    return __atomic_load_n(&met, __ATOMIC_SEQ_CST) < 2;
}
