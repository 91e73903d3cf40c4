#include "core.h"

#include "fit.h"
#include "results.h"

#include <float.h>
#include <limits.h>
#include <math.h>
#include <string.h>

#ifdef __linux__
#include <sys/mman.h>
#include <unistd.h>
#endif

const char lm_plain_start_doc[] =
    "plain_start(x0)\n\n"
    "A copy of x0 where it is a float64 vector without NaN or Inf; None where it is anything else.";

const char lm_fit_compiled_doc[] =
    "fit_compiled(func, jac, x0, ftol, xtol, gtol, maxfev, epsfcn, diag, factor, full_output)\n\n"
    "lmdif, or lmder where jac is not None, on capsules of make_compiled. Gives (x, info) where that is a success\n"
    "and full_output is false; else (x, fvec, info, nfev, njev, fjac, ipvt, qtf), njev being None without jac.\n"
    "None where an argument is not what it mostly is: a float64 vector x0 without NaN or Inf, numbers within their\n"
    "ranges, sizes that fit one another. Then nothing has been called; convert it, or say what is wrong with it.";

const char lm_fit_blocks_doc[] =
    "fit_blocks(func, jac, x0, fvec, args, col_deriv, ftol, xtol, gtol, maxfev, epsfcn, diag, factor)\n\n"
    "lmdif, or lmder where jac is not None, with Jacobians factored by blocks of rows; fvec is func(x0, *args),\n"
    "not evaluated again where func is Python's, and becomes the residuals at the solution. An empty diag asks for MINPACK's own scaling. Gives what\n"
    "fit_compiled does with full_output; fjac holds R and below it, with jac, zeros.";

const char lm_blocks_pay_doc[] =
    "blocks_pay(m, n)\n\n"
    "Whether an (m, n) Jacobian is factored faster by blocks of rows than column by column.";

static int is_finite(PyObject *vector)
{
    const npy_intp n = PyArray_DIM((PyArrayObject *)vector, 0);
    const double *x = PyArray_DATA((PyArrayObject *)vector);

    for (npy_intp i = 0; i < n; i++) {
        if (!isfinite(x[i])) {
            return 0;
        }
    }
    return 1;
}

PyObject *lm_plain_start(PyObject *Py_UNUSED(self), PyObject *x0)
{
    if (!lm_is_plain_vector(x0) || !is_finite(x0)) {
        Py_RETURN_NONE;
    }
    npy_intp n = PyArray_DIM((PyArrayObject *)x0, 0);
    PyObject *copy = PyArray_SimpleNew(1, &n, NPY_DOUBLE);
    if (copy != NULL) {
        memcpy(PyArray_DATA((PyArrayObject *)copy), PyArray_DATA((PyArrayObject *)x0), (size_t)n * sizeof(double));
    }
    return copy;
}

/* Where a fit leaves what it found: in arrays, where all of it is wanted, or else in scratch at first. */
typedef struct {
    PyArrayObject *array[4]; /* of fvec, fjac, qtf and ipvt */
    double *fvec, *fjac, *qtf;
    int *ipvt;
    void *scratch;
} results;

/* fjac is zeros: memory that the system gives only where something else is written. */
static int make_arrays(results *results, int m, int n)
{
    npy_intp shape[2] = {n, m};

    if (results->array[0] == NULL) {
        results->array[0] = (PyArrayObject *)PyArray_SimpleNew(1, shape + 1, NPY_DOUBLE);
    }
    results->array[1] = (PyArrayObject *)PyArray_ZEROS(2, shape, NPY_DOUBLE, 0);
    results->array[2] = (PyArrayObject *)PyArray_SimpleNew(1, shape, NPY_DOUBLE);
    results->array[3] = (PyArrayObject *)PyArray_SimpleNew(1, shape, NPY_INT);
    for (int i = 0; i < 4; i++) {
        if (results->array[i] == NULL) {
            return 0;
        }
    }
    return 1;
}

/* Where memory comes in pages of 2 MiB, R alone would bring a whole one with each row of fjac. */
static void want_small_pages(PyArrayObject *array)
{
#if defined(__linux__) && defined(MADV_NOHUGEPAGE)
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t begin = ((uintptr_t)PyArray_DATA(array) + page - 1) / page * page;
    const uintptr_t end = ((uintptr_t)PyArray_DATA(array) + (uintptr_t)PyArray_NBYTES(array)) / page * page;

    if (begin < end) {
        (void)madvise((void *)begin, end - begin, MADV_NOHUGEPAGE);
    }
#else
    (void)array;
#endif
}

static int prepare_arrays(results *results, int m, int n)
{
    if (!make_arrays(results, m, n)) {
        return 0;
    }
    results->fvec = PyArray_DATA(results->array[0]);
    results->fjac = PyArray_DATA(results->array[1]);
    results->qtf = PyArray_DATA(results->array[2]);
    results->ipvt = PyArray_DATA(results->array[3]);
    return 1;
}

/* Not by pymalloc: its pools, shared by all threads, would travel from core to core where several of them fit. */
static int prepare_scratch(results *results, int m, int n)
{
    const size_t numbers = (size_t)m + (size_t)m * (size_t)n + (size_t)n;

    results->scratch = PyMem_RawMalloc(numbers * sizeof(double) + (size_t)n * sizeof(int));
    if (results->scratch == NULL) {
        PyErr_NoMemory();
        return 0;
    }
    results->fvec = results->scratch;
    results->fjac = results->fvec + m;
    results->qtf = results->fjac + (size_t)m * (size_t)n;
    results->ipvt = (int *)(results->qtf + n);
    return 1;
}

static int copy_to_arrays(results *results, int m, int n)
{
    if (!make_arrays(results, m, n)) {
        return 0;
    }
    memcpy(PyArray_DATA(results->array[0]), results->fvec, (size_t)m * sizeof(double));
    memcpy(PyArray_DATA(results->array[1]), results->fjac, (size_t)m * (size_t)n * sizeof(double));
    memcpy(PyArray_DATA(results->array[2]), results->qtf, (size_t)n * sizeof(double));
    memcpy(PyArray_DATA(results->array[3]), results->ipvt, (size_t)n * sizeof(int));
    return 1;
}

static void drop(results *results)
{
    for (int i = 0; i < 4; i++) {
        Py_CLEAR(results->array[i]);
    }
    PyMem_RawFree(results->scratch);
}

/* As minpack/base/info.f90 has it. */
enum { LM_JACOBIAN_NOT_FINITE = 10 };

/* What a fit is asked for. */
typedef struct request {
    PyObject *func, *jac; /* jac is NULL where differences are to be taken */
    PyObject *x0;
    PyObject *fvec; /* the residuals at x0, to become those at the solution; NULL where they are not known */
    PyTupleObject *args; /* or NULL */
    int m, n, maxfev;
    int col_deriv;
    int by_blocks; /* how to factor Jacobians: not 0 for blocks of rows */
    double ftol, xtol, gtol, epsfcn, factor;
    const double *diag; /* NULL for MINPACK's own scaling */
    int full_output;
} request;

/* How a fit ended. */
typedef struct {
    int info, nfev, njev;
} ending;

/* A float, or an int that is small enough to be one. */
static int read_number(PyObject *object, double *number)
{
    if (PyFloat_CheckExact(object)) {
        *number = PyFloat_AS_DOUBLE(object);
        return 1;
    }
    if (PyLong_CheckExact(object)) {
        int overflow;
        *number = (double)PyLong_AsLongAndOverflow(object, &overflow);
        return overflow == 0;
    }
    return 0;
}

static int read_tolerance(PyObject *object, double *tolerance)
{
    return read_number(object, tolerance) && *tolerance >= 0;
}

static int read_functions(request *request, PyObject *func, PyObject *jac, PyObject *x0)
{
    const lm_compiled *residuals = lm_as_compiled(func), *jacobian = lm_as_compiled(jac);

    if (residuals == NULL || !lm_is_plain_vector(x0) || !is_finite(x0)) {
        return 0;
    }
    const npy_intp n = PyArray_DIM((PyArrayObject *)x0, 0);
    if (n == 0 || n > residuals->m) {
        return 0;
    }
    if (jac != Py_None && (jacobian == NULL || jacobian->m != residuals->m || jacobian->n != n)) {
        return 0;
    }
    *request = (struct request){
        .func = func, .jac = jac == Py_None ? NULL : jac, .x0 = x0, .m = residuals->m, .n = (int)n};
    request->by_blocks = blocks_pay_(&request->m, &request->n);
    return 1;
}

static int read_limit(request *request, PyObject *maxfev)
{
    double limit;

    if (!read_number(maxfev, &limit) || fabs(limit) > INT_MAX) {
        return 0;
    }
    request->maxfev = limit > 0 ? (int)limit : (request->jac ? 100 : 200) * (request->n + 1);
    return limit == floor(limit);
}

static int read_scale(request *request, PyObject *diag)
{
    request->diag = NULL;
    if (diag == Py_None) {
        return 1;
    }
    if (!lm_is_plain_vector(diag) || !is_finite(diag) || PyArray_DIM((PyArrayObject *)diag, 0) != request->n) {
        return 0;
    }
    request->diag = PyArray_DATA((PyArrayObject *)diag);
    for (int j = 0; j < request->n; j++) {
        if (!(request->diag[j] > 0)) {
            return 0;
        }
    }
    return 1;
}

/* 0, without an exception, where there is something for Python to convert or to refuse. */
static int read_request(request *request, PyObject *const *args)
{
    if (!read_functions(request, args[0], args[1], args[2]) || !read_tolerance(args[3], &request->ftol)
        || !read_tolerance(args[4], &request->xtol) || !read_tolerance(args[5], &request->gtol)
        || !read_limit(request, args[6]) || !read_scale(request, args[8])
        || !read_number(args[9], &request->factor)) {
        return 0;
    }
    request->epsfcn = DBL_EPSILON;
    if (args[7] != Py_None && !(read_number(args[7], &request->epsfcn) && isfinite(request->epsfcn))) {
        return 0;
    }
    request->full_output = args[10] == Py_True;
    return request->factor > 0 && isfinite(request->factor) && (args[10] == Py_True || args[10] == Py_False);
}

/* The user's scale factors, where there are some, at the beginning of the frame's scratch. */
static double *put_scale(const lm_frame *frame, const request *ask)
{
    if (ask->diag) {
        memcpy(frame->work, ask->diag, (size_t)ask->n * sizeof *ask->diag);
    }
    return frame->work;
}

/* MINPACK's drivers, and what they do, with another factorization. Each ends with an exception set where a callback
 * has raised one. */
static void run_lmdif(request *ask, double *x, results *found, ending *end)
{
    int m = ask->m, n = ask->n, mode = ask->diag ? 2 : 1, nprint = 0;
    lm_frame frame;
    lm_residual_function *callback = lm_push_residuals(&frame, ask->func, ask->args, m, n);

    if (callback == NULL) {
        return;
    }
    double *diag = put_scale(&frame, ask), *scratch = diag + n;
    lmdif_(callback, &m, &n, x, found->fvec, &ask->ftol, &ask->xtol, &ask->gtol, &ask->maxfev, &ask->epsfcn, diag,
           &mode, &ask->factor, &nprint, &end->info, &end->nfev, found->fjac, &m, found->ipvt, found->qtf, scratch,
           scratch + n, scratch + 2 * n, scratch + 3 * n);
    lm_pop(&frame);
}

static void run_lmder(request *ask, double *x, results *found, ending *end)
{
    int m = ask->m, n = ask->n, mode = ask->diag ? 2 : 1, nprint = 0;
    lm_frame frame;
    lm_jacobian_function *callback = lm_push_jacobian(&frame, ask->func, ask->jac, ask->args, ask->col_deriv, m, n);

    if (callback == NULL) {
        return;
    }
    double *diag = put_scale(&frame, ask), *scratch = diag + n;
    lmder_(callback, &m, &n, x, found->fvec, found->fjac, &m, &ask->ftol, &ask->xtol, &ask->gtol, &ask->maxfev, diag,
           &mode, &ask->factor, &nprint, &end->info, &end->nfev, &end->njev, found->ipvt, found->qtf, scratch,
           scratch + n, scratch + 2 * n, scratch + 3 * n);
    lm_pop(&frame);
}

static void run_lm_differences(request *ask, double *x, results *found, ending *end, double *blocks)
{
    int m = ask->m, n = ask->n, mode = ask->diag ? 2 : 1, nprint = 0;
    lm_frame frame;
    lm_residual_function *callback = lm_push_residuals(&frame, ask->func, ask->args, m, n);

    if (callback == NULL) {
        return;
    }
    double *diag = put_scale(&frame, ask), *scratch = diag + n;
    lm_differences_(callback, &m, &n, x, found->fvec, &ask->ftol, &ask->xtol, &ask->gtol, &ask->maxfev, &ask->epsfcn,
                    diag, &mode, &ask->factor, &nprint, &end->info, &end->nfev, found->fjac, &m, found->ipvt,
                    found->qtf, scratch, scratch + n, scratch + 2 * n, scratch + 3 * n, &ask->by_blocks, blocks);
    lm_pop(&frame);
}

static void run_lmtri(request *ask, double *x, results *found, ending *end, double *blocks)
{
    const size_t order = (size_t)ask->n + 1;
    int m = ask->m, n = ask->n, mode = ask->diag ? 2 : 1;
    double *t = blocks + blocks_work_(&n), *r = t + order * order;
    lm_frame frame;
    lm_triangle_function *callback =
        lm_push_triangle(&frame, ask->func, ask->jac, ask->args, ask->col_deriv, m, n, blocks, found->fjac);

    if (callback == NULL) {
        return;
    }
    double *diag = put_scale(&frame, ask), *scratch = diag + n;
    lmtri_(callback, &m, &n, x, found->fvec, t, r, &ask->ftol, &ask->xtol, &ask->gtol, &ask->maxfev, diag, &mode,
           &ask->factor, &end->info, &end->nfev, &end->njev, found->ipvt, found->qtf, scratch, scratch + n,
           scratch + 2 * n, scratch + 4 * n);
    if (end->info != LM_JACOBIAN_NOT_FINITE) {
        want_small_pages(found->array[1]);
        for (npy_intp j = 0; j < n; j++) {
            memcpy(found->fjac + j * m, r + j * n, (size_t)(j + 1) * sizeof *r);
        }
    }
    lm_pop(&frame);
}

/* Runs the driver that is asked for: 0 with an exception set, where a callback or a signal's handler has raised one. */
static int run(request *ask, double *x, results *found, ending *end)
{
    enum { LINE = 64 }; /* bytes of a cache line, and of the widest vector */
    const size_t order = (size_t)ask->n + 1;

    if (!ask->by_blocks) {
        (ask->jac == NULL ? run_lmdif : run_lmder)(ask, x, found, end);
        return !PyErr_Occurred();
    }
    const size_t numbers = blocks_work_(&ask->n) + (ask->jac == NULL ? 0 : 2 * order * order);
    char *scratch = PyMem_RawMalloc(numbers * sizeof(double) + LINE);
    if (scratch == NULL) {
        PyErr_NoMemory();
        return 0;
    }
    double *blocks = (double *)(scratch + LINE - (uintptr_t)scratch % LINE);
    (ask->jac == NULL ? run_lm_differences : run_lmtri)(ask, x, found, end, blocks);
    PyMem_RawFree(scratch);
    return !PyErr_Occurred();
}

/* (x, fvec, info, nfev, njev, fjac, ipvt, qtf) */
static PyObject *tell(const request *ask, PyObject *x, const results *found, const ending *end)
{
    PyObject *njev = ask->jac ? PyLong_FromLong(end->njev) : Py_NewRef(Py_None);

    return Py_BuildValue("OOiiNOOO", x, found->array[0], end->info, end->nfev, njev, found->array[1], found->array[3],
                         found->array[2]);
}

static PyObject *fit(request *ask)
{
    enum { LAST_TO_TRUST = 3 }; /* info 4 may come of a Jacobian of zeros: for the caller to see */
    const int m = ask->m, n = ask->n;
    results found = {.array = {(PyArrayObject *)Py_XNewRef(ask->fvec)}};
    ending end = {.njev = 0};
    PyObject *outcome = NULL, *x = lm_plain_start(NULL, ask->x0);

    if (x != NULL && (ask->full_output || ask->by_blocks ? prepare_arrays : prepare_scratch)(&found, m, n)) {
        if (!run(ask, PyArray_DATA((PyArrayObject *)x), &found, &end)) {
            ;
        } else if (!ask->full_output && 1 <= end.info && end.info <= LAST_TO_TRUST) {
            outcome = Py_BuildValue("Oi", x, end.info);
        } else if (found.scratch == NULL || copy_to_arrays(&found, m, n)) {
            outcome = tell(ask, x, &found, &end);
        }
    }
    drop(&found);
    Py_XDECREF(x);
    return outcome;
}

PyObject *lm_fit_compiled(PyObject *Py_UNUSED(self), PyObject *const *args, Py_ssize_t nargs)
{
    enum { ARGUMENTS = 11 };
    request request;

    if (nargs != ARGUMENTS) {
        return PyErr_Format(PyExc_TypeError, "fit_compiled takes %d arguments, not %zd", ARGUMENTS, nargs);
    }
    if (!read_request(&request, args)) {
        Py_RETURN_NONE;
    }
    return fit(&request);
}

/* Python has seen to the values; this keeps a wrong call from touching memory that isn't its own. */
static int agree(const request *ask, PyObject *diag)
{
    if (!lm_is_plain_vector(ask->x0) || !is_finite(ask->x0) || !lm_is_plain_vector(ask->fvec) || !lm_is_plain_vector(diag)
        || !PyArray_ISWRITEABLE((PyArrayObject *)ask->fvec)) {
        return 0;
    }
    const npy_intp m = PyArray_DIM((PyArrayObject *)ask->fvec, 0), n = PyArray_DIM((PyArrayObject *)ask->x0, 0);
    const npy_intp factors = PyArray_DIM((PyArrayObject *)diag, 0);
    const lm_compiled *func = lm_as_compiled(ask->func), *jac = lm_as_compiled(ask->jac);
    return 0 < n && n <= m && m <= INT_MAX && (factors == 0 || factors == n) && (func == NULL || func->m == m)
           && (jac == NULL || (jac->m == m && jac->n == n));
}

PyObject *lm_fit_blocks(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *diag, *jac;
    request request = {.by_blocks = 1, .full_output = 1};

    if (!PyArg_ParseTuple(args, "OOOOO!pdddidOd:fit_blocks", &request.func, &jac, &request.x0, &request.fvec, &PyTuple_Type,
                          &request.args, &request.col_deriv, &request.ftol, &request.xtol, &request.gtol,
                          &request.maxfev, &request.epsfcn, &diag, &request.factor)) {
        return NULL;
    }
    request.jac = jac == Py_None ? NULL : jac;
    if (!agree(&request, diag)) {
        PyErr_SetString(PyExc_ValueError, "fit_blocks: arguments that don't fit one another");
        return NULL;
    }
    request.m = (int)PyArray_DIM((PyArrayObject *)request.fvec, 0);
    request.n = (int)PyArray_DIM((PyArrayObject *)request.x0, 0);
    request.diag = PyArray_DIM((PyArrayObject *)diag, 0) > 0 ? PyArray_DATA((PyArrayObject *)diag) : NULL;
    return fit(&request);
}

PyObject *lm_blocks_pay(PyObject *Py_UNUSED(self), PyObject *args)
{
    int m, n;

    if (!PyArg_ParseTuple(args, "ii:blocks_pay", &m, &n)) {
        return NULL;
    }
    return PyBool_FromLong(blocks_pay_(&m, &n));
}
