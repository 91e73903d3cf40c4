#include "core.h"

#include "fit_box.h"
#include "results.h"

#include <limits.h>
#include <math.h>
#include <string.h>

const char lm_fit_box_doc[] =
    "fit_box(func, jac, args, as_residuals, as_jacobian, x, fvec, control, state, diag, lower, upper, typical, eta,\n"
    "        source, counts, found)\n\n"
    "lmbox: goes on with a fit from x, where residuals are fvec, until it ends. Both functions are Python's or capsules\n"
    "of make_compiled; jac is None where differences are to be taken. The converters are as set_converters has them.\n"
    "control and state are lm_control and lm_state as arrays of doubles. lower and upper, typical and eta may be None,\n"
    "for no bounds, no least sizes, and steps by the precision. None of the arrays is changed. source is (precision,\n"
    "tried, floored, renewed) of lm_source, counts is (nfev, njev, nit, calls).\n"
    "Appends to the list `found`, even where a callback raises:\n"
    "((x, fvec, diag, state), fjac, (r, ipvt, qtf, acnorm), typical, source, counts, current, status),\n"
    "fjac of shape (n, m) and r of shape (n, n) being transposed.";

enum { CONTROL = 5, STATE = 10 }; /* doubles in lm_control and lm_state */

typedef struct {
    PyObject *func, *jac, *x, *fvec, *control, *state, *diag, *lower, *upper, *typical, *eta;
    PyTupleObject *args;
    lm_converters converters;
    lm_source source;
    lm_counts counts;
    long calls; /* of func so far, those for differences included */
    int m, n;
} request;

/* The arrays that a fit gives. */
typedef struct {
    PyObject *x, *fvec, *diag, *state, *fjac, *r, *ipvt, *qtf, *acnorm, *typical;
} results;

/* The solver's memory beyond that of the frame. */
typedef struct {
    void *memory;
    double *lower, *upper, *eta, *box, *factor;
    int *side, *place;
} scratch;

static int has_size(PyObject *vector, npy_intp size)
{
    return lm_is_plain_vector(vector) && PyArray_DIM((PyArrayObject *)vector, 0) == size;
}

/* Python has seen to the values; this keeps a wrong call from touching memory that isn't its own. */
static int agree(const request *ask)
{
    if (!lm_is_plain_vector(ask->x) || !lm_is_plain_vector(ask->fvec)) {
        return 0;
    }
    const npy_intp n = PyArray_DIM((PyArrayObject *)ask->x, 0), m = PyArray_DIM((PyArrayObject *)ask->fvec, 0);
    PyObject *const optional[] = {ask->lower, ask->upper, ask->typical, ask->eta};
    for (int i = 0; i < 4; i++) {
        if (optional[i] != Py_None && !has_size(optional[i], n)) {
            return 0;
        }
    }
    const lm_compiled *func = lm_as_compiled(ask->func), *jac = lm_as_compiled(ask->jac);
    return 0 < n && n <= m && m <= INT_MAX && has_size(ask->control, CONTROL) && has_size(ask->state, STATE)
           && has_size(ask->diag, n) && (ask->lower == Py_None) == (ask->upper == Py_None)
           && (func == NULL || func->m == m) && (jac == NULL || (jac->m == m && jac->n == n));
}

static double *data(PyObject *array)
{
    return PyArray_DATA((PyArrayObject *)array);
}

static PyObject *matrix(npy_intp rows, npy_intp columns)
{
    npy_intp shape[2] = {rows, columns};

    return PyArray_SimpleNew(2, shape, NPY_DOUBLE);
}

static PyObject *vector(npy_intp size, int type)
{
    return PyArray_SimpleNew(1, &size, type);
}

static void drop(results *found)
{
    Py_CLEAR(found->x);
    Py_CLEAR(found->fvec);
    Py_CLEAR(found->diag);
    Py_CLEAR(found->state);
    Py_CLEAR(found->fjac);
    Py_CLEAR(found->r);
    Py_CLEAR(found->ipvt);
    Py_CLEAR(found->qtf);
    Py_CLEAR(found->acnorm);
    Py_CLEAR(found->typical);
}

static void fill(double *to, int n, PyObject *from, double otherwise)
{
    if (from != Py_None) {
        memcpy(to, data(from), (size_t)n * sizeof *to);
        return;
    }
    for (int j = 0; j < n; j++) {
        to[j] = otherwise;
    }
}

/* What the fit changes is a copy: where a callback raises, all is as it was. */
static int prepare(results *found, const request *ask)
{
    const npy_intp m = ask->m, n = ask->n;

    *found = (results){
        .x = PyArray_NewCopy((PyArrayObject *)ask->x, NPY_CORDER),
        .fvec = PyArray_NewCopy((PyArrayObject *)ask->fvec, NPY_CORDER),
        .diag = PyArray_NewCopy((PyArrayObject *)ask->diag, NPY_CORDER),
        .state = PyArray_NewCopy((PyArrayObject *)ask->state, NPY_CORDER),
        .fjac = matrix(n, m),
        .r = matrix(n, n),
        .ipvt = vector(n, NPY_INT),
        .qtf = vector(n, NPY_DOUBLE),
        .acnorm = vector(n, NPY_DOUBLE),
        .typical = vector(n, NPY_DOUBLE),
    };
    if (PyErr_Occurred()) {
        drop(found);
        return 0;
    }
    fill(data(found->typical), ask->n, ask->typical, 0.0);
    return 1;
}

static int allocate(scratch *scratch, const request *ask)
{
    enum { LINE = 64, VECTORS = 3, BOX = 10, INTEGERS = 3 }; /* bytes of a cache line, and of the widest vector */
    const size_t m = (size_t)ask->m, n = (size_t)ask->n;
    const size_t factor = ask->source.by_blocks ? blocks_work_(&ask->n) : m * n;
    const size_t box = n * (n + BOX);

    scratch->memory =
        PyMem_RawMalloc((factor + VECTORS * n + box) * sizeof(double) + INTEGERS * n * sizeof(int) + LINE);
    if (scratch->memory == NULL) {
        PyErr_NoMemory();
        return 0;
    }
    scratch->factor = (double *)((char *)scratch->memory + LINE - (uintptr_t)scratch->memory % LINE);
    scratch->lower = scratch->factor + factor;
    scratch->upper = scratch->lower + n;
    scratch->eta = scratch->upper + n;
    scratch->box = scratch->eta + n;
    scratch->side = (int *)(scratch->box + box);
    scratch->place = scratch->side + n;
    fill(scratch->lower, ask->n, ask->lower, -INFINITY);
    fill(scratch->upper, ask->n, ask->upper, INFINITY);
    fill(scratch->eta, ask->n, ask->eta, 0.0);
    return 1;
}

/* 0 with an exception set, where nothing could be begun. */
static int run(request *ask, results *found, scratch *scratch, int *status, int *current)
{
    const int n = ask->n;
    lm_frame frame;
    lm_jacobian_function *callback = lm_push_jacobian(&frame, ask->func, ask->jac, ask->args, 0, ask->m, n);

    if (callback == NULL) {
        return 0;
    }
    frame.primed = 0;
    frame.calls = ask->calls;
    frame.as_residuals = ask->converters.as_residuals;
    frame.as_jacobian = ask->converters.as_jacobian;
    double *work = frame.work;
    lmbox_(callback, data(ask->control), &ask->source, &ask->m, &ask->n, data(found->x), data(found->fvec),
           data(found->diag), data(found->state), &ask->counts, scratch->lower, scratch->upper, data(found->typical),
           scratch->eta, status, current, data(found->fjac), data(found->r),
           PyArray_DATA((PyArrayObject *)found->ipvt), data(found->qtf), data(found->acnorm), work, work + n,
           work + 2 * n, work + 3 * n, work + 5 * n, scratch->side, scratch->place, scratch->box, scratch->factor);
    ask->calls = frame.calls;
    lm_pop(&frame);
    return 1;
}

/* Leaves what there is in the list, and an exception as it is; 0 where there is one. */
static int tell(const request *ask, const results *found, int status, int current, PyObject *list)
{
    PyObject *type, *raised, *traceback;

    PyErr_Fetch(&type, &raised, &traceback);
    PyObject *told = Py_BuildValue(
        "(OOOO)O(OOOO)O(dNNd)(iiil)Ni", found->x, found->fvec, found->diag, found->state, found->fjac, found->r,
        found->ipvt, found->qtf, found->acnorm, found->typical, ask->source.precision,
        PyBool_FromLong(ask->source.tried), PyBool_FromLong(ask->source.floored), ask->source.renewed,
        ask->counts.nfev, ask->counts.njev, ask->counts.nit, ask->calls, PyBool_FromLong(current), status);
    const int done = told != NULL && PyList_Append(list, told) == 0;

    Py_XDECREF(told);
    if (type != NULL) {
        PyErr_Restore(type, raised, traceback);
        return 0;
    }
    return done;
}

static int fit(request *ask, PyObject *list)
{
    results found;
    scratch scratch;
    int status = 0, current = 0, done = 0;

    if (!prepare(&found, ask)) {
        return 0;
    }
    if (allocate(&scratch, ask)) {
        done = run(ask, &found, &scratch, &status, &current) && tell(ask, &found, status, current, list);
        PyMem_RawFree(scratch.memory);
    }
    drop(&found);
    return done;
}

PyObject *lm_fit_box(PyObject *Py_UNUSED(self), PyObject *args)
{
    request ask = {.m = 0};
    PyObject *list;

    if (!PyArg_ParseTuple(args, "OOO!OOOOOOOOOOO(dppd)(iiil)O!:fit_box", &ask.func, &ask.jac, &PyTuple_Type, &ask.args,
                          &ask.converters.as_residuals, &ask.converters.as_jacobian, &ask.x, &ask.fvec, &ask.control,
                          &ask.state, &ask.diag, &ask.lower, &ask.upper, &ask.typical, &ask.eta,
                          &ask.source.precision, &ask.source.tried, &ask.source.floored, &ask.source.renewed,
                          &ask.counts.nfev, &ask.counts.njev, &ask.counts.nit, &ask.calls, &PyList_Type, &list)) {
        return NULL;
    }
    if (ask.jac == Py_None) {
        ask.jac = NULL;
        ask.source.by_differences = 1;
    }
    if (!agree(&ask)) {
        PyErr_SetString(PyExc_ValueError, "fit_box: arguments that don't fit one another");
        return NULL;
    }
    ask.m = (int)PyArray_DIM((PyArrayObject *)ask.fvec, 0);
    ask.n = (int)PyArray_DIM((PyArrayObject *)ask.x, 0);
    ask.source.boxed = ask.lower != Py_None;
    ask.source.by_blocks = blocks_pay_(&ask.m, &ask.n);
    if (ask.eta != Py_None) {
        ask.source.precision = 0.0;
    }
    if (!fit(&ask, list)) {
        return NULL;
    }
    Py_RETURN_NONE;
}
