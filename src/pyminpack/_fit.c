#include "_callback.h"

#include "_fit.h"

#include <float.h>
#include <limits.h>
#include <math.h>
#include <string.h>

/* As minpack/lmdif.f90 and minpack/lmder.f90 have them. */
void lmdif_(lm_residual_function *fcn, int *m, int *n, double *x, double *fvec, double *ftol, double *xtol,
            double *gtol, int *maxfev, double *epsfcn, double *diag, int *mode, double *factor, int *nprint, int *info,
            int *nfev, double *fjac, int *ldfjac, int *ipvt, double *qtf, double *wa1, double *wa2, double *wa3,
            double *wa4);
void lmder_(lm_jacobian_function *fcn, int *m, int *n, double *x, double *fvec, double *fjac, int *ldfjac,
            double *ftol, double *xtol, double *gtol, int *maxfev, double *diag, int *mode, double *factor,
            int *nprint, int *info, int *nfev, int *njev, int *ipvt, double *qtf, double *wa1, double *wa2,
            double *wa3, double *wa4);

const char lm_plain_start_doc[] =
    "plain_start(x0)\n\n"
    "A copy of x0 where it is a float64 vector without NaN or Inf; None where it is anything else.";

const char lm_fit_compiled_doc[] =
    "fit_compiled(func, jac, x0, ftol, xtol, gtol, maxfev, epsfcn, diag, factor, full_output)\n\n"
    "lmdif, or lmder where jac is not None, on capsules of make_compiled. Gives (x, info) where that is a success\n"
    "and full_output is false; else (x, fvec, info, nfev, njev, fjac, ipvt, qtf), njev being None without jac.\n"
    "None where an argument is not what it mostly is: a float64 vector x0 without NaN or Inf, numbers within their\n"
    "ranges, sizes that fit one another. Then nothing has been called; convert it, or say what is wrong with it.";

static int is_plain_vector(PyObject *object)
{
    PyArrayObject *array = (PyArrayObject *)object;

    return PyArray_CheckExact(object) && PyArray_TYPE(array) == NPY_DOUBLE && PyArray_NDIM(array) == 1
           && PyArray_ISCARRAY_RO(array);
}

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
    if (!is_plain_vector(x0) || !is_finite(x0)) {
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

static int make_arrays(results *results, int m, int n)
{
    npy_intp shape[2] = {n, m};

    results->array[0] = (PyArrayObject *)PyArray_SimpleNew(1, shape + 1, NPY_DOUBLE);
    results->array[1] = (PyArrayObject *)PyArray_SimpleNew(2, shape, NPY_DOUBLE);
    results->array[2] = (PyArrayObject *)PyArray_SimpleNew(1, shape, NPY_DOUBLE);
    results->array[3] = (PyArrayObject *)PyArray_SimpleNew(1, shape, NPY_INT);
    for (int i = 0; i < 4; i++) {
        if (results->array[i] == NULL) {
            return 0;
        }
    }
    return 1;
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

/* What fit_compiled is asked for. */
typedef struct {
    PyObject *func, *jac; /* capsules; jac is NULL where differences are to be taken */
    PyObject *x0;
    int m, n, maxfev;
    double ftol, xtol, gtol, epsfcn, factor;
    const double *diag; /* NULL for MINPACK's own scaling */
    int full_output;
} request;

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

    if (residuals == NULL || !is_plain_vector(x0) || !is_finite(x0)) {
        return 0;
    }
    const npy_intp n = PyArray_DIM((PyArrayObject *)x0, 0);
    if (n == 0 || n > residuals->m) {
        return 0;
    }
    if (jac != Py_None && (jacobian == NULL || jacobian->m != residuals->m || jacobian->n != n)) {
        return 0;
    }
    request->func = func;
    request->jac = jac == Py_None ? NULL : jac;
    request->x0 = x0;
    request->m = residuals->m;
    request->n = (int)n;
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
    if (!is_plain_vector(diag) || !is_finite(diag) || PyArray_DIM((PyArrayObject *)diag, 0) != request->n) {
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

/* Runs the driver: 0 with an exception set, where a signal's handler has raised one. */
static int run(const request *asked, double *x, results *results, int *info, int *nfev, int *njev)
{
    request request = *asked; /* Fortran takes addresses, and is not to change what they hold */
    lm_frame frame;
    lm_residual_function *residuals = NULL;
    lm_jacobian_function *jacobian = NULL;
    int m = request.m, n = request.n, mode = request.diag ? 2 : 1, nprint = 0;

    if (request.jac == NULL) {
        residuals = lm_push_residuals(&frame, request.func, NULL, m, n);
    } else {
        jacobian = lm_push_jacobian(&frame, request.func, request.jac, NULL, 0, m, n);
    }
    if (residuals == NULL && jacobian == NULL) {
        return 0;
    }
    double *diag = frame.work, *scratch = frame.work + n;
    if (request.diag) {
        memcpy(diag, request.diag, (size_t)n * sizeof *diag);
    }
    if (residuals) {
        lmdif_(residuals, &m, &n, x, results->fvec, &request.ftol, &request.xtol, &request.gtol, &request.maxfev,
               &request.epsfcn, diag, &mode, &request.factor, &nprint, info, nfev, results->fjac, &m, results->ipvt,
               results->qtf, scratch, scratch + n, scratch + 2 * n, scratch + 3 * n);
    } else {
        lmder_(jacobian, &m, &n, x, results->fvec, results->fjac, &m, &request.ftol, &request.xtol, &request.gtol,
               &request.maxfev, diag, &mode, &request.factor, &nprint, info, nfev, njev, results->ipvt, results->qtf,
               scratch, scratch + n, scratch + 2 * n, scratch + 3 * n);
    }
    lm_pop(&frame);
    return !PyErr_Occurred();
}

PyObject *lm_fit_compiled(PyObject *Py_UNUSED(self), PyObject *const *args, Py_ssize_t nargs)
{
    enum { ARGUMENTS = 11, LAST_TO_TRUST = 3 }; /* info 4 may come of a Jacobian of zeros: for the caller to see */
    request request;
    results results = {.scratch = NULL};
    PyObject *outcome = NULL;
    int info = 0, nfev = 0, njev = 0;

    if (nargs != ARGUMENTS) {
        return PyErr_Format(PyExc_TypeError, "fit_compiled takes %d arguments, not %zd", ARGUMENTS, nargs);
    }
    if (!read_request(&request, args)) {
        Py_RETURN_NONE;
    }
    const int m = request.m, n = request.n;
    PyObject *x = lm_plain_start(NULL, request.x0);
    if (x == NULL || !(request.full_output ? prepare_arrays : prepare_scratch)(&results, m, n)
        || !run(&request, PyArray_DATA((PyArrayObject *)x), &results, &info, &nfev, &njev)) {
        drop(&results);
        Py_XDECREF(x);
        return NULL;
    }
    if (!request.full_output && 1 <= info && info <= LAST_TO_TRUST) {
        outcome = Py_BuildValue("Oi", x, info);
    } else if (request.full_output || copy_to_arrays(&results, m, n)) {
        PyObject *calls = request.jac ? PyLong_FromLong(njev) : Py_NewRef(Py_None);
        outcome = Py_BuildValue("OOiiNOOO", x, results.array[0], info, nfev, calls, results.array[1],
                                results.array[3], results.array[2]);
    }
    drop(&results);
    Py_DECREF(x);
    return outcome;
}
