/* Many fits by compiled functions, one after the other and without the GIL, each to data of its own. */
#include "module.h"
#include "run.h"

#include <float.h>
#include <math.h>

/* What becomes of a fit; a negative number is the one with which a compiled function asked to stop. */
enum { IS_DONE = 0, IS_HELD = 1, GOES_ALONE = 2 };

/* Data of all fits, one row each, or one for all; NULL for none. */
typedef struct {
    const double *values;
    npy_intp size, stride; /* numbers of a row; from one row to the next, or 0 where there is one for all */
} lm_rows;

typedef struct {
    npy_intp count;
    lm_rows x, y, weights;
    const npy_bool *mask;    /* points of each fit that are left out; or NULL */
    int m, n;                /* residuals of a fit of which no point is masked, and parameters */
    double *ends, *cov;      /* where each fit starts, and then ends; its covariance */
    lm_fit *records;         /* the caller's choices for each fit; then how it has ended */
    npy_int32 *fates;        /* IS_DONE for fits to be made; then what has become of them */
    double *r;               /* with ipvt and free, for fits with a parameter that is held at a bound; or NULL */
    npy_int32 *ipvt, *free;  /* free: which parameters are not held */
    const double *bounds[2]; /* or NULL */
    int loss;                /* the number of a robust loss that is known to the core, or 0 */
    double scale;            /* of the residuals, with such a loss */
    int is_absolute;         /* the weights tell the variance of the residuals */
    int limit;               /* evaluations, those of a look at the end included */
    int roundings;           /* that the rank allows for at least */
    const npy_int32 *halted; /* not 0 once nobody waits for the answers any more */
} lm_batch;

/* Memory for one fit at a time. */
typedef struct {
    double *machine, *jacobians, *data, *small;
    size_t sizes[2];
} lm_room;

/* Memory ------------------------------------------------------------------------------------------------------ */

static int grow(double **memory, size_t *have, size_t wanted)
{
    if (wanted > *have || *memory == NULL) {
        PyMem_RawFree(*memory);
        *memory = PyMem_RawMalloc(wanted * sizeof **memory);
        *have = *memory == NULL ? 0 : wanted;
    }
    return *memory != NULL;
}

static void drop(const lm_room *room)
{
    PyMem_RawFree(room->machine);
    PyMem_RawFree(room->jacobians);
    PyMem_RawFree(room->data);
    PyMem_RawFree(room->small);
}

/* Data -------------------------------------------------------------------------------------------------------- */

static const double *row_of(const lm_rows *rows, npy_intp i)
{
    return rows->values == NULL ? NULL : rows->values + i * rows->stride;
}

/* Appends the points that are not masked. */
static double *append(double *to, const double *from, npy_intp size, const npy_bool *mask)
{
    if (mask == NULL) {
        memcpy(to, from, (size_t)size * sizeof *to);
        return to + size;
    }
    for (npy_intp k = 0; k < size; k++) {
        if (!mask[k]) {
            *to++ = from[k];
        }
    }
    return to;
}

/* The data of a fit, x before y, and its weights behind these, or NULL; gives how many residuals there are. */
static int gather(const lm_batch *batch, npy_intp i, double *data, const double **weights)
{
    const npy_intp points = batch->y.size;
    const npy_bool *mask = batch->mask == NULL ? NULL : batch->mask + i * points;
    const double *x = row_of(&batch->x, i), *given = row_of(&batch->weights, i);
    double *end = data;

    for (npy_intp k = 0; k < batch->x.size; k += points) {
        end = append(end, x + k, points, mask);
    }
    double *y = end;
    end = append(end, row_of(&batch->y, i), points, mask);
    *weights = given == NULL ? NULL : end;
    if (given != NULL) {
        append(end, given, points, mask);
    }
    return mask == NULL ? batch->m : (int)(end - y);
}

/* The end of a fit -------------------------------------------------------------------------------------------- */

/* Whether the residuals change beside x as a given Jacobian says. One evaluation, which counts; where that is not enough to
 * tell, the fit is to be made alone (LevenbergMarquardt._compare). */
static int agrees(lm_run *run, const lm_batch *batch, const double *start, double *wa)
{
    lm_machine *p = &run->p;
    lm_fit *fit = p->fit;
    const int m = fit->m, n = fit->n, by_rows = run->jac_compiled->convention == LM_JACOBIAN_C && !fit->differences;
    const double highest = fmax(fit->highest, fit->fnorm), precision = DBL_EPSILON;
    double *lengths = wa, *step = wa + n, *change = p->trial_f, *error = run->room[1];
    int unlike = 1, answer;

    if (fit->nfev >= batch->limit) {
        return 1; /* none is left */
    }
    lengths_beside_(&n, p->x, start, p->acnorm, &highest, &precision, lengths);
    for (int j = 0; j < n; j++) {
        if (lengths[j] == 0) {
            return 0;
        }
    }
    point_beside_(&n, p->x, start, lengths, &unlike, p->lower, p->upper, p->point);
    fit->nfev++;
    fit->calls++;
    if (lm_call_compiled(run->func_compiled, m, n, p->point, change) != GO_ON) {
        return 0;
    }
    for (int j = 0; j < n; j++) {
        step[j] = p->point[j] - p->x[j];
    }
    for (int i = 0; i < m; i++) {
        change[i] -= p->f[i];
    }
    if (run->known_loss != 0) { /* as the rows of J */
        robust_rows_(&m, p->f, &run->known_loss, &run->scale, change);
    }
    memcpy(error, change, (size_t)m * sizeof *error);
    for (npy_intp j = 0; j < n; j++) {
        for (npy_intp i = 0; i < m; i++) {
            error[i] -= run->room[0][by_rows ? i * n + j : j * m + i] * step[j];
        }
    }
    agrees_beside_(&m, &n, error, step, p->acnorm, change, lengths, &answer);
    return answer;
}

/* Covariance, as covariance_from_factor of _report/statistics.py has it; wa has n(2n + 5) numbers, and marks 2n. */
static void find_covariance(const lm_machine *p, double sigma, int roundings, double *wa, int *marks, double *cov)
{
    const int n = p->fit->n, *undetermined = marks;
    const npy_intp width = n;
    double *inverse = wa, *norms = inverse + width * n, *roots = norms + n, *errors = roots + n;
    double *scratch = errors + n, cond, tol;
    int rank;

    find_jacobian_error_(p->fit, &tol);
    const int most = p->fit->m > roundings ? p->fit->m : roundings; /* m >= n */
    tol = fmax(tol, most * DBL_EPSILON);
    identifiable_(&n, p->r, &p->ldr, p->ipvt, &tol, &rank, norms, inverse, marks, &cond, scratch, marks + n, roots,
                  scratch + width * n);
    for (npy_intp i = 0; i < n; i++) {
        roots[i] = sqrt(inverse[i * n + i]);
        errors[i] = roots[i] / norms[i] * sigma;
    }
    for (npy_intp i = 0; i < n; i++) {
        for (npy_intp j = 0; j < n; j++) {
            double cosine = inverse[i * n + j] / (roots[i] * roots[j]);
            cosine = i == j || cosine > 1 ? 1 : cosine < -1 ? -1 : cosine;
            cov[i * n + j] = cosine * (errors[i] * errors[j]);
            if (undetermined[i] || undetermined[j]) {
                cov[i * n + j] = i == j ? INFINITY : NAN;
            }
        }
    }
}

/* Marks the parameters that the gradient doesn't push against a bound, as moves_of of _derivatives/verdict.py has it;
 * whether all are such. */
static int find_free(const lm_machine *p, double *gradient, npy_int32 *is_free)
{
    const int n = p->fit->n;
    int count = 0;

    lm_gradient_(&n, p->r, &p->ldr, p->ipvt, p->qtf, gradient);
    for (int j = 0; j < n; j++) {
        is_free[j] = !((p->x[j] <= p->lower[j] && gradient[j] > 0) || (p->x[j] >= p->upper[j] && gradient[j] < 0));
        count += is_free[j];
    }
    return count == n;
}

static int has_converged(const lm_fit *fit)
{
    return LM_info_ftol <= fit->info && fit->info <= LM_info_gtol;
}

/* Whether all that is to be said of an end is in the record: a Jacobian that isn't finite, or that says nothing, takes a
 * look by Python. */
static int is_plain_end(const lm_machine *p)
{
    const lm_fit *fit = p->fit;
    double sum = 0;

    for (int j = 0; j < fit->n; j++) {
        sum += p->acnorm[j]; /* one that isn't finite makes the sum so */
    }
    return fit->jacobian_is_at_x && isfinite(sum) && fit->info != LM_info_jacobian_not_finite
           && !(fit->info == LM_info_uncertain && sum == 0);
}

/* One fit ----------------------------------------------------------------------------------------------------- */

/* Makes a fit whose machine is cut up and filled, but for the residuals; what becomes of it, or EXCEPTION. */
static int make(lm_run *run, const lm_batch *batch, npy_intp i, const lm_room *room)
{
    lm_machine *p = &run->p;
    lm_fit *fit = p->fit;
    const npy_intp n = fit->n;
    const double *start = batch->ends + i * n;

    if (lm_call_compiled(run->func_compiled, fit->m, fit->n, p->x, p->f) != GO_ON) {
        return GOES_ALONE;
    }
    const double norm = lm_known_norm(run, p->f);
    if (!isfinite(norm)) {
        return GOES_ALONE;
    }
    fit->precision_known |= norm == 0;
    lm_begin_(fit, &norm);
    if (fit->maxfev <= 1) {
        fit->info = LM_info_maxfev;
        fit->stage = LM_is_over;
    }
    int status = lm_go_on(run, -1);
    if (status == EXCEPTION) {
        return EXCEPTION;
    }
    lm_return_to_end(p); /* of a fit that is stopped */
    const int later = lm_bring_factor(run);
    status = later == GO_ON ? status : later;
    if (status != GO_ON) {
        return status;
    }
    if (!is_plain_end(p)) {
        return GOES_ALONE;
    }
    if (run->jac_compiled != NULL && fit->fnorm > 0) {
        const int is_open = fit->info == LM_info_uncertain || fit->info == LM_info_no_minimum;
        if (is_open || !agrees(run, batch, start, room->small)) {
            return GOES_ALONE;
        }
    }
    if (batch->r != NULL && !find_free(p, room->small, batch->free + i * n)) {
        memcpy(batch->r + i * n * n, p->r, (size_t)(n * n) * sizeof *p->r);
        memcpy(batch->ipvt + i * n, p->ipvt, (size_t)n * sizeof *p->ipvt);
        return IS_HELD;
    }
    if (!has_converged(fit)) {
        return IS_DONE;
    }
    const double sigma = batch->is_absolute ? 1 : fit->m > n ? fit->fnorm / sqrt(fit->m - (double)n) : NAN;
    double *wa = room->small;
    find_covariance(p, sigma, batch->roundings, wa, (int *)(wa + n * (2 * n + 5)), batch->cov + i * n * n);
    return IS_DONE;
}

/* Makes one fit and takes its end out; 0 with an exception set, or without memory. */
static int fit_one(lm_run *run, const lm_batch *batch, npy_intp i, lm_room *room, lm_compiled *func, lm_compiled *jac)
{
    enum { OPTIONAL = 3 };
    const double *optional[OPTIONAL] = {NULL, batch->bounds[0], batch->bounds[1]}, *weights;
    lm_fit *record = batch->records + i;

    const int points = gather(batch, i, room->data, &weights);
    record->m = batch->mask == NULL ? batch->m : points;
    if (record->m < record->n) {
        batch->fates[i] = GOES_ALONE;
        return 1;
    }
    if (blocks_pay_(&record->m, &record->n)) {
        record->accelerates = 0; /* as that takes what is not kept then */
    }
    const size_t size = lm_cut(&run->p, record, NULL), of_jacobian = (size_t)record->m * (size_t)record->n;
    if (!grow(&room->machine, &room->sizes[0], size) || !grow(&room->jacobians, &room->sizes[1], 2 * of_jacobian)) {
        return 0;
    }
    memset(room->machine, 0, size * sizeof *room->machine);
    lm_fill(&run->p, record, room->machine, batch->ends + i * record->n, NULL, optional, OPTIONAL);
    run->room[0] = room->jacobians;
    run->room[1] = room->jacobians + of_jacobian;
    run->kind = NOT_MADE_HERE;
    func->data = jac->data = room->data;
    func->weights = jac->weights = weights;
    func->m = jac->m = record->m;
    const int status = make(run, batch, i, room);
    if (status == EXCEPTION) {
        return 0;
    }
    batch->fates[i] = status;
    if (status != GOES_ALONE) {
        memcpy(batch->ends + i * record->n, run->p.x, (size_t)record->n * sizeof *run->p.x);
        *record = *run->p.fit;
    }
    return 1;
}

static int is_halted(const lm_batch *batch)
{
    return *(volatile const npy_int32 *)batch->halted;
}

/* All of them that may start; 0 with an exception set. */
static int fit_all(const lm_batch *batch, const lm_compiled *functions[2])
{
    lm_compiled func = *functions[0], jac = functions[1] == NULL ? func : *functions[1];
    lm_run run = {
        .func_compiled = &func,
        .jac_compiled = functions[1] == NULL ? NULL : &jac,
        .known_loss = batch->loss,
        .scale = batch->scale,
    };
    const size_t n = (size_t)batch->n, points = (size_t)batch->y.size;
    lm_room room = {
        .data = PyMem_RawMalloc(((size_t)batch->x.size + 2 * points) * sizeof(double) + 1),
        .small = PyMem_RawMalloc(n * (2 * n + 6) * sizeof(double)),
    };
    int goes_on = room.data != NULL && room.small != NULL;

    lm_release_gil(&run);
    for (npy_intp i = 0; i < batch->count && goes_on && !is_halted(batch); i++) {
        if (batch->fates[i] == IS_DONE) {
            goes_on = fit_one(&run, batch, i, &room, &func, &jac);
        }
    }
    lm_take_gil(&run);
    drop(&room);
    if (!goes_on && !PyErr_Occurred()) {
        PyErr_NoMemory();
    }
    return goes_on;
}

/* From Python ------------------------------------------------------------------------------------------------- */

/* Whether an object is a C-contiguous array of so many items. */
static int is_array(PyObject *object, int type, npy_intp items)
{
    PyArrayObject *array = (PyArrayObject *)object;

    return PyArray_CheckExact(object) && PyArray_TYPE(array) == type && PyArray_ISCARRAY_RO(array)
           && PyArray_SIZE(array) == items;
}

/* The same of one to write to; gives where its items are, or NULL. */
static void *place_of(PyObject *object, int type, npy_intp items)
{
    const int fits = is_array(object, type, items) && PyArray_ISWRITEABLE((PyArrayObject *)object);

    return fits ? PyArray_DATA((PyArrayObject *)object) : NULL;
}

/* Takes an array of one row for all fits, or one for each, or None; 0 where it is something else. */
static int take_rows(PyObject *object, npy_intp count, lm_rows *rows)
{
    PyArrayObject *array = (PyArrayObject *)object;

    *rows = (lm_rows){.values = NULL};
    if (object == Py_None) {
        return 1;
    }
    if (!PyArray_CheckExact(object) || PyArray_NDIM(array) < 1 || PyArray_NDIM(array) > 2) {
        return 0;
    }
    const int is_shared = PyArray_NDIM(array) == 1;
    rows->size = PyArray_DIM(array, !is_shared);
    rows->stride = is_shared ? 0 : rows->size;
    rows->values = lm_data(object);
    return is_array(object, NPY_DOUBLE, is_shared ? rows->size : count * rows->size);
}

/* Takes where the answers go; 0 where these are no such arrays, or fits are of another size than their records say. */
static int take_answers(lm_batch *batch, PyObject *const answers[], PyObject *const factors[])
{
    const npy_intp count = batch->count, n = batch->n, square = count * n * n;
    const int has_factors = factors[0] != Py_None;

    batch->ends = place_of(answers[0], NPY_DOUBLE, count * n);
    batch->records = place_of(answers[1], NPY_DOUBLE, count * (npy_intp)(sizeof(lm_fit) / sizeof(double)));
    batch->fates = place_of(answers[2], NPY_INT32, count);
    batch->cov = place_of(answers[3], NPY_DOUBLE, square);
    if (has_factors) {
        batch->r = place_of(factors[0], NPY_DOUBLE, square);
        batch->ipvt = place_of(factors[1], NPY_INT32, count * n);
        batch->free = place_of(factors[2], NPY_INT32, count * n);
    }
    int fits = batch->ends && batch->records && batch->fates && batch->cov
               && (!has_factors || (batch->r && batch->ipvt && batch->free));
    for (npy_intp i = 0; fits && i < count; i++) {
        fits = batch->records[i].n == n;
    }
    return fits;
}

PyObject *lm_fit_each(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *func, *jac, *x, *y, *weights, *mask, *bounds[2], *answers[4], *factors[3], *halted;
    lm_batch batch = {.bounds = {NULL, NULL}};

    if (!PyArg_ParseTuple(args, "(OO)(OOOO)(OO)(OOOO)(OOO)(id)piiO:fit_each", &func, &jac, &x, &y, &weights, &mask,
                          &bounds[0], &bounds[1], &answers[0], &answers[1], &answers[2], &answers[3], &factors[0],
                          &factors[1], &factors[2], &batch.loss, &batch.scale, &batch.is_absolute, &batch.limit,
                          &batch.roundings, &halted)) {
        return NULL;
    }
    const lm_compiled *functions[2] = {lm_as_compiled(func), lm_as_compiled(jac)};
    PyArrayObject *starts = (PyArrayObject *)answers[0];
    int fits = functions[0] != NULL && functions[0]->convention == LM_RESIDUALS && PyArray_Check(answers[0])
               && PyArray_NDIM(starts) == 2 && 0 < PyArray_DIM(starts, 1) && PyArray_DIM(starts, 1) <= INT_MAX;
    if (fits) {
        batch.count = PyArray_DIM(starts, 0);
        batch.n = (int)PyArray_DIM(starts, 1);
        batch.m = functions[0]->m;
        fits = (jac == Py_None || functions[1] != NULL) && take_rows(x, batch.count, &batch.x)
               && take_rows(y, batch.count, &batch.y) && take_rows(weights, batch.count, &batch.weights)
               && take_answers(&batch, answers, factors) && is_array(halted, NPY_INT32, 1);
    }
    const npy_intp points = batch.y.size;
    const int is_by_points = x != Py_None || weights != Py_None || mask != Py_None;
    if (fits && functions[1] != NULL) {
        fits = functions[1]->m == batch.m && functions[1]->n == batch.n;
    }
    if (fits && mask != Py_None) {
        fits = is_array(mask, NPY_BOOL, batch.count * points);
        batch.mask = fits ? PyArray_DATA((PyArrayObject *)mask) : NULL;
    }
    if (fits && is_by_points) {
        fits = points > 0 && points == batch.m && batch.x.size % points == 0 && (weights == Py_None || batch.weights.size == points);
    }
    for (int side = 0; side < 2; side++) {
        fits = fits && (bounds[side] == Py_None || lm_has_size(bounds[side], batch.n));
        batch.bounds[side] = fits ? lm_optional(bounds[side]) : NULL;
    }
    if (!fits) {
        PyErr_SetString(PyExc_ValueError, "compiled functions and data of many fits that don't fit one another");
        return NULL;
    }
    batch.halted = PyArray_DATA((PyArrayObject *)halted);
    return fit_all(&batch, functions) ? Py_NewRef(Py_None) : NULL;
}
