#include "machine.h"

#include "module.h"

#include <limits.h>
#include <math.h>

enum { LINE = 64 / sizeof(double), RECORD = (sizeof(lm_fit) + sizeof(double) - 1) / sizeof(double) }; /* doubles */

/* The next part of the memory, of so many doubles; NULL where there is none yet, and they are only counted. */
static double *cut(double *memory, size_t *used, size_t size)
{
    *used += size;
    return memory == NULL ? NULL : memory + (*used - size);
}

size_t lm_cut(lm_machine *p, const void *record, double *memory)
{
    const lm_fit *fit = record;
    double **const vectors[] = {&p->x,   &p->diag, &p->lower, &p->upper, &p->trial, &p->qtf,    &p->acnorm, &p->typical,
                                &p->eta, &p->step, &p->wa1,   &p->wa2,   &p->sizes, &p->values, &p->others, &p->point};
    const size_t m = (size_t)fit->m, n = (size_t)fit->n;
    size_t used = RECORD;

    p->fit = (lm_fit *)memory;
    p->by_blocks = blocks_pay_(&fit->m, &fit->n) && fit->accelerates <= 0; /* to accelerate takes Q */
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        *vectors[i] = cut(memory, &used, n);
    }
    p->f = cut(memory, &used, m);
    p->trial_f = cut(memory, &used, m);
    p->box = cut(memory, &used, fit->boxed ? n * (n + 9) : n);
    p->refuge = cut(memory, &used, 4 * n);
    p->end_f = cut(memory, &used, m);
    p->factor = cut(memory, &used, p->by_blocks ? blocks_work_(&fit->n) + LINE : m * n);
    /* R has a place of its own where J is kept, or where its factorization by blocks has no room for R. */
    const int has_triangle = fit->restarts || p->by_blocks;
    p->r = has_triangle ? cut(memory, &used, n * n) : p->factor;
    p->ldr = has_triangle ? fit->n : fit->m;
    p->ipvt = (int *)cut(memory, &used, (n + 1) / 2);
    p->side = (int *)cut(memory, &used, (n + 1) / 2);
    p->place = (int *)cut(memory, &used, n);
    p->list = (int *)cut(memory, &used, (n + 1) / 2);
    p->states = cut(memory, &used, LM_STATE * n);
    if (p->by_blocks) {
        p->factor += (LINE - ((uintptr_t)p->factor / sizeof(double)) % LINE) % LINE;
    }
    return used;
}

int lm_open(lm_machine *machine, PyObject *memory)
{
    const size_t size = lm_is_plain_vector(memory) ? (size_t)PyArray_SIZE((PyArrayObject *)memory) : 0;

    if (size < RECORD || lm_cut(machine, lm_data(memory), NULL) != size) {
        PyErr_SetString(PyExc_TypeError, "a fit in memory is needed, as begin() makes it");
        return 0;
    }
    lm_cut(machine, lm_data(memory), lm_data(memory));
    return 1;
}

int lm_fits(lm_fit *fit, PyObject *x, PyObject *f, PyObject *const optional[], int count)
{
    int fits = lm_is_plain_vector(x) && lm_is_plain_vector(f);
    const npy_intp n = fits ? PyArray_SIZE((PyArrayObject *)x) : 0, m = fits ? PyArray_SIZE((PyArrayObject *)f) : 0;

    for (int i = 0; i < count; i++) {
        fits = fits && (optional[i] == Py_None || lm_has_size(optional[i], n));
    }
    if (!(fits && 0 < n && n <= m && m <= INT_MAX)) {
        PyErr_SetString(PyExc_ValueError, "the core was given arguments that don't fit one another");
        return 0;
    }
    fit->n = (int)n;
    fit->m = (int)m;
    fit->mode = optional[0] == Py_None ? 1 : 2;
    return 1;
}

void lm_fill(lm_machine *p, const lm_fit *fit, double *memory, const double *x, const double *f,
             const double *const optional[], int count)
{
    lm_cut(p, fit, memory);
    double *const to[] = {p->diag, p->lower, p->upper, p->typical, p->eta};
    const double otherwise[] = {1.0, -INFINITY, INFINITY, 0.0, 0.0};

    *p->fit = *fit;
    memset(p->states, 0, LM_STATE * (size_t)fit->n * sizeof(double));
    memcpy(p->x, x, (size_t)fit->n * sizeof *x);
    if (f != NULL) {
        memcpy(p->f, f, (size_t)fit->m * sizeof *f);
    }
    for (size_t i = 0; i < sizeof to / sizeof *to; i++) {
        const double *from = (int)i < count ? optional[i] : NULL;
        for (int j = 0; j < fit->n; j++) {
            to[i][j] = from == NULL ? otherwise[i] : from[j];
        }
    }
}

void lm_return_to_end(lm_machine *p)
{
    if (p->fit->is_above) {
        go_home_(p->fit, &p->fit->n, p->x, p->refuge);
        memcpy(p->f, p->end_f, (size_t)p->fit->m * sizeof *p->f);
    }
}

PyObject *lm_begin(PyObject *Py_UNUSED(self), PyObject *args)
{
    enum { OPTIONAL = 5 };
    PyObject *x, *f, *optional[OPTIONAL];
    double fnorm;
    lm_fit fit = {.restarts = 1, .certifies = 1, .nfev = 1, .calls = 1};
    lm_machine machine;

    if (!PyArg_ParseTuple(args, "OOd(dddd)iO(OO)OOdpii:begin", &x, &f, &fnorm, &fit.ftol, &fit.xtol, &fit.gtol,
                          &fit.factor, &fit.maxfev, optional, optional + 1, optional + 2, optional + 3, optional + 4,
                          &fit.precision, &fit.precision_known, &fit.differences, &fit.accelerates)
        || !lm_fits(&fit, x, f, optional, OPTIONAL)) {
        return NULL;
    }
    fit.boxed = optional[1] != Py_None;
    fit.given = fit.differences == 0;
    npy_intp size = (npy_intp)lm_cut(&machine, &fit, NULL);
    PyObject *memory = PyArray_ZEROS(1, &size, NPY_DOUBLE, 0);
    if (memory != NULL) {
        const double *given[OPTIONAL];
        for (int i = 0; i < OPTIONAL; i++) {
            given[i] = lm_optional(optional[i]);
        }
        lm_fill(&machine, &fit, lm_data(memory), lm_data(x), lm_data(f), given, OPTIONAL);
        lm_begin_(machine.fit, &fnorm);
    }
    return memory;
}

/* One number of a start, or NaN where it is for Python to convert or to refuse. */
static double number_of(PyObject *item)
{
    int overflow = 0;
    long number;

    if (PyFloat_CheckExact(item)) {
        return PyFloat_AS_DOUBLE(item);
    }
    number = PyLong_CheckExact(item) ? PyLong_AsLongAndOverflow(item, &overflow) : 0;
    return PyLong_CheckExact(item) && !overflow ? (double)number : NAN;
}

PyObject *lm_as_start(PyObject *Py_UNUSED(self), PyObject *x0)
{
    const int is_sequence = PyList_CheckExact(x0) || PyTuple_CheckExact(x0);

    if (!is_sequence && !lm_is_plain_vector(x0)) {
        Py_RETURN_NONE;
    }
    const npy_intp n = is_sequence ? PySequence_Fast_GET_SIZE(x0) : PyArray_SIZE((PyArrayObject *)x0);
    PyObject *start = lm_vector(NULL, n);
    for (npy_intp i = 0; start != NULL && i < n; i++) {
        const double number = is_sequence ? number_of(PySequence_Fast_GET_ITEM(x0, i)) : lm_data(x0)[i];
        if (!isfinite(number)) {
            Py_SETREF(start, Py_NewRef(Py_None));
            break;
        }
        lm_data(start)[i] = number;
    }
    return start;
}

PyObject *lm_is_plain(PyObject *Py_UNUSED(self), PyObject *array)
{
    return PyBool_FromLong(lm_is_plain_vector(array));
}

/* What Python sees of a fit ------------------------------------------------------------------------------- */

PyObject *lm_places(PyObject *Py_UNUSED(self), PyObject *memory)
{
    lm_machine p;

    if (!lm_open(&p, memory)) {
        return NULL;
    }
    const double *begin = lm_data(memory);
    const double *end_x = p.refuge + 2 * p.fit->n; /* the third column: see retreat.f90 */
    return Py_BuildValue("nnnnnnnnnn", p.x - begin, p.f - begin, end_x - begin, p.end_f - begin, p.diag - begin,
                         p.qtf - begin, p.acnorm - begin, p.r - begin, (double *)p.ipvt - begin, p.states - begin);
}

PyObject *lm_go_home(PyObject *Py_UNUSED(self), PyObject *memory)
{
    lm_machine p;

    if (!lm_open(&p, memory)) {
        return NULL;
    }
    lm_return_to_end(&p);
    Py_RETURN_NONE;
}

PyObject *lm_look_again(PyObject *Py_UNUSED(self), PyObject *memory)
{
    lm_machine p;

    if (!lm_open(&p, memory)) {
        return NULL;
    }
    look_again_(p.fit, &p.fit->n, p.states);
    Py_RETURN_NONE;
}

PyObject *lm_column_errors(PyObject *Py_UNUSED(self), PyObject *memory)
{
    lm_machine p;

    if (!lm_open(&p, memory)) {
        return NULL;
    }
    PyObject *errors = lm_vector(NULL, p.fit->n);
    if (errors != NULL) {
        find_column_errors_(p.fit, &p.fit->n, p.x, p.lower, p.upper, p.states, lm_data(errors));
    }
    return errors;
}

PyObject *lm_layout(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(nothing))
{
    return Py_BuildValue("["
#define FIT_REAL(name, meaning) "(ssn)"
#define FIT_INT(name, meaning) "(ssn)"
#include "fit.def"
                         "]"
#undef FIT_REAL
#undef FIT_INT
#define FIT_REAL(name, meaning) , #name, "f8", (Py_ssize_t)offsetof(lm_fit, name)
#define FIT_INT(name, meaning) , #name, "i4", (Py_ssize_t)offsetof(lm_fit, name)
#include "fit.def"
    );
}

PyObject *lm_codes(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(nothing))
{
    return Py_BuildValue("{"
#define CODE(name, number, meaning) "si"
#include "codes.def"
                         "}"
#undef CODE
#define CODE(name, number, meaning) , #name, number
#include "codes.def"
    );
}
