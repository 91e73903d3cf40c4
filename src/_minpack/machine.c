#include "machine.h"

#include "module.h"

#include <limits.h>
#include <math.h>

/* Memory ------------------------------------------------------------------------------------------------- */

enum { RECORD = (sizeof(lm_fit) + sizeof(double) - 1) / sizeof(double), LINE = 8 }; /* doubles; a cache line has 8 */

/* Whether R has a place of its own, since J is kept or its block-wise factorization has no room for R. */
static int has_triangle(const lm_fit *fit)
{
    return fit->restarts || blocks_pay_(&fit->m, &fit->n);
}

size_t lm_size(const lm_fit *fit)
{
    enum { VECTORS = 16, INTEGERS = 4 };
    const size_t m = (size_t)fit->m, n = (size_t)fit->n;
    const int blocks = blocks_pay_(&fit->m, &fit->n);

    return RECORD + VECTORS * n + (fit->differences == 2 ? 3 : 2) * m + (has_triangle(fit) ? n * n : 0)
           + (fit->boxed ? n * (n + 9) : n) + (blocks ? blocks_work_(&fit->n) + LINE : m * n)
           + (INTEGERS * n + 1) / 2;
}

void lm_cut(lm_machine *machine, double *memory)
{
    lm_machine *const p = machine;
    double **const vectors[] = {&p->x,   &p->diag,    &p->lower,  &p->upper, &p->trial, &p->qtf,   &p->acnorm, &p->typical,
                                &p->eta, &p->step,    &p->wa1,    &p->wa2,   &p->sizes, &p->beside, &p->lengths, &p->point};
    lm_fit *const fit = (lm_fit *)memory;
    const size_t m = (size_t)fit->m, n = (size_t)fit->n;
    double *next = memory + RECORD;

    p->fit = fit;
    p->by_blocks = blocks_pay_(&fit->m, &fit->n);
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++, next += n) {
        *vectors[i] = next;
    }
    p->f = next;
    p->trial_f = next += m;
    p->spare = next += m;
    p->box = next += fit->differences == 2 ? m : 0;
    p->factor = next += fit->boxed ? n * (n + 9) : n;
    p->r = p->factor;
    p->ldr = fit->m;
    next += p->by_blocks ? blocks_work_(&fit->n) + LINE : m * n;
    if (has_triangle(fit)) {
        p->r = next;
        p->ldr = fit->n;
        next += n * n;
    }
    p->ipvt = (int *)next;
    p->side = p->ipvt + n;
    p->place = p->side + n;
}

int lm_open(lm_machine *machine, PyObject *memory)
{
    if (!lm_is_plain_vector(memory) || PyArray_DIM((PyArrayObject *)memory, 0) < RECORD
        || (size_t)PyArray_DIM((PyArrayObject *)memory, 0) != lm_size((lm_fit *)lm_data(memory))) {
        PyErr_SetString(PyExc_TypeError, "a fit in memory is needed, as begin() makes it");
        return 0;
    }
    lm_cut(machine, lm_data(memory));
    return 1;
}

int lm_wants(lm_machine *p)
{
    int wanted;

    lm_next_(p->fit, &p->fit->n, p->r, &p->ldr, p->ipvt, p->qtf, p->acnorm, p->diag, p->x, p->lower, p->upper, &wanted,
             p->trial, p->step, p->wa1, p->wa2, p->side, p->place, p->box);
    return wanted;
}

void lm_feed_factor(lm_machine *p)
{
    lm_take_factor_(p->fit, &p->fit->n, p->r, &p->ldr, p->ipvt, p->qtf, p->acnorm, p->x, p->lower, p->upper, p->diag,
                    p->wa1, p->wa2);
}

/* Beginning ---------------------------------------------------------------------------------------------- */

static void fill(double *to, int n, PyObject *from, double otherwise)
{
    for (int j = 0; j < n; j++) {
        to[j] = from == Py_None ? otherwise : lm_data(from)[j];
    }
}

void lm_fill(lm_machine *p, const double *x, const double *f, PyObject *diag, PyObject *lower, PyObject *upper,
             PyObject *typical, PyObject *eta)
{
    const int n = p->fit->n;

    memcpy(p->x, x, (size_t)n * sizeof *x);
    memcpy(p->f, f, (size_t)p->fit->m * sizeof *f);
    fill(p->diag, n, diag, 1.0);
    fill(p->lower, n, lower, -INFINITY);
    fill(p->upper, n, upper, INFINITY);
    fill(p->typical, n, typical, 0.0);
    fill(p->eta, n, eta, 0.0);
}

int lm_fits(lm_fit *fit, PyObject *x, PyObject *f, PyObject *const optional[], int count)
{
    int fits = lm_is_plain_vector(x) && lm_is_plain_vector(f);
    const npy_intp n = fits ? PyArray_DIM((PyArrayObject *)x, 0) : 0, m = fits ? PyArray_DIM((PyArrayObject *)f, 0) : 0;

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

PyObject *lm_begin(PyObject *Py_UNUSED(self), PyObject *args)
{
    enum { OPTIONAL = 5 };
    PyObject *x, *f, *optional[OPTIONAL];
    double fnorm;
    lm_fit fit = {.restarts = 1, .nfev = 1, .calls = 1};
    lm_machine machine;

    if (!PyArg_ParseTuple(args, "OOd(dddd)iO(OO)OOdpi:begin", &x, &f, &fnorm, &fit.ftol, &fit.xtol, &fit.gtol,
                          &fit.factor, &fit.maxfev, optional, optional + 1, optional + 2, optional + 3, optional + 4,
                          &fit.precision, &fit.precision_known, &fit.differences)
        || !lm_fits(&fit, x, f, optional, OPTIONAL)) {
        return NULL;
    }
    fit.boxed = optional[1] != Py_None;
    npy_intp size = (npy_intp)lm_size(&fit);
    PyObject *memory = PyArray_ZEROS(1, &size, NPY_DOUBLE, 0);
    if (memory != NULL) {
        memcpy(lm_data(memory), &fit, sizeof fit);
        lm_cut(&machine, lm_data(memory));
        lm_fill(&machine, lm_data(x), lm_data(f), optional[0], optional[1], optional[2], optional[3], optional[4]);
        lm_begin_(machine.fit, &fnorm);
    }
    return memory;
}

PyObject *lm_as_start(PyObject *Py_UNUSED(self), PyObject *x0)
{
    PyObject *start = NULL;

    if (lm_is_plain_vector(x0)) {
        start = lm_vector(lm_data(x0), PyArray_DIM((PyArrayObject *)x0, 0));
    } else if (PyList_CheckExact(x0) || PyTuple_CheckExact(x0)) {
        start = lm_vector(NULL, PySequence_Fast_GET_SIZE(x0));
        for (Py_ssize_t i = 0; start != NULL && i < PySequence_Fast_GET_SIZE(x0); i++) {
            PyObject *item = PySequence_Fast_GET_ITEM(x0, i);
            int overflow = 0;
            if (PyFloat_CheckExact(item)) {
                lm_data(start)[i] = PyFloat_AS_DOUBLE(item);
            } else if (PyLong_CheckExact(item)) {
                const long number = PyLong_AsLongAndOverflow(item, &overflow);
                lm_data(start)[i] = overflow ? NAN : (double)number;
            } else {
                lm_data(start)[i] = NAN;
            }
        }
    } else {
        Py_RETURN_NONE;
    }
    for (npy_intp i = 0; start != NULL && i < PyArray_DIM((PyArrayObject *)start, 0); i++) {
        if (!isfinite(lm_data(start)[i])) {
            Py_SETREF(start, Py_NewRef(Py_None));
            break;
        }
    }
    return start;
}

/* What Python sees of a fit ------------------------------------------------------------------------------- */

PyObject *lm_part(PyObject *Py_UNUSED(self), PyObject *args)
{
#define PART(name, type, dimensions, size) {#name, offsetof(lm_machine, name), NPY_##type, dimensions, size}
    static const struct {
        const char *name;
        size_t offset;
        int type, dimensions;
        char size;
    } parts[] = {PART(x, DOUBLE, 1, 'n'),      PART(f, DOUBLE, 1, 'm'),    PART(diag, DOUBLE, 1, 'n'), PART(r, DOUBLE, 2, 'n'),
                 PART(ipvt, INT, 1, 'n'),      PART(qtf, DOUBLE, 1, 'n'), PART(acnorm, DOUBLE, 1, 'n')};
    PyObject *memory;
    const char *name;
    lm_machine machine;

    if (!PyArg_ParseTuple(args, "Os:part", &memory, &name) || !lm_open(&machine, memory)) {
        return NULL;
    }
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (strcmp(parts[i].name, name) == 0) {
            const npy_intp size = parts[i].size == 'm' ? machine.fit->m : machine.fit->n;
            npy_intp shape[2] = {size, machine.ldr};
            PyArrayObject *copy = (PyArrayObject *)PyArray_SimpleNew(parts[i].dimensions, shape, parts[i].type);
            if (copy != NULL) {
                memcpy(PyArray_DATA(copy), *(void **)((char *)&machine + parts[i].offset), (size_t)PyArray_NBYTES(copy));
            }
            return (PyObject *)copy;
        }
    }
    return PyErr_Format(PyExc_KeyError, "a fit has no part %s", name);
}

#define FIT_REAL(name, meaning) {#name, "f8", offsetof(lm_fit, name), meaning},
#define FIT_INT(name, meaning) {#name, "i4", offsetof(lm_fit, name), meaning},
static const struct {
    const char *name, *type;
    size_t offset;
    const char *meaning;
} layout[] = {
#include "fit.def"
};
enum { COMPONENTS = sizeof layout / sizeof *layout };

PyObject *lm_layout(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(nothing))
{
    PyObject *list = PyList_New(COMPONENTS);

    for (int i = 0; list != NULL && i < COMPONENTS; i++) {
        PyObject *row = Py_BuildValue("ssns", layout[i].name, layout[i].type, (Py_ssize_t)layout[i].offset, layout[i].meaning);
        if (row == NULL) {
            Py_CLEAR(list);
        } else {
            PyList_SET_ITEM(list, i, row);
        }
    }
    return list;
}

PyObject *lm_codes(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(nothing))
{
#define INFO(name, number, meaning) {"INFO_" #name, number},
#define WANTED(name, number, meaning) {#name, number},
#define STAGE(name, number, meaning) {#name, number},
    static const struct {
        const char *name;
        int number;
    } codes[] = {
#include "codes.def"
    };
    PyObject *dict = PyDict_New();

    for (size_t i = 0; dict != NULL && i < sizeof codes / sizeof *codes; i++) {
        PyObject *number = PyLong_FromLong(codes[i].number);
        if (number == NULL || PyDict_SetItemString(dict, codes[i].name, number) < 0) {
            Py_CLEAR(dict);
        }
        Py_XDECREF(number);
    }
    return dict;
}

PyObject *lm_blocks_pay(PyObject *Py_UNUSED(self), PyObject *args)
{
    int m, n;

    return PyArg_ParseTuple(args, "ii:blocks_pay", &m, &n) ? PyBool_FromLong(blocks_pay_(&m, &n)) : NULL;
}
