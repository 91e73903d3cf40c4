#include "solve.h"

#include "module.h"

#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdatomic.h>
#include <time.h>

/* How a callback went; anything else is the negative number with which a compiled function has asked to stop. */
enum { GO_ON = 0, EXCEPTION = INT_MIN, TOO_LATE = INT_MAX };

/* The GIL ------------------------------------------------------------------------------------------------ */

/* The thread that fits with compiled functions and is between two fits, and so has the GIL, for the few microseconds
 * that Python takes there; or NULL. Another one that waited for the GIL asleep would wake up too late, when the first
 * is through with its next fit, and find it taken again: threads with short fits would go in turns. So it looks here
 * for some microseconds first (benchmarks/bench_compiled.py, two threads: 1.6 instead of 1.3 times one). The mark goes
 * only after the GIL itself has gone, and not where the next thread has already put its own in its place: a thread
 * that sees no mark finds the GIL free. */
static _Atomic(PyThreadState *) between_fits = NULL;

static PyThreadState *release_gil(void)
{
    PyThreadState *state = PyEval_SaveThread();
    PyThreadState *mine = state;

    atomic_compare_exchange_strong(&between_fits, &mine, NULL);
    return state;
}

static void take_gil(PyThreadState *state)
{
    enum { PAUSES = 250 }; /* some ten microseconds, where a pause takes 140 cycles */

    for (int i = 0; i < PAUSES && atomic_load_explicit(&between_fits, memory_order_relaxed) != NULL; i++) {
#if (defined(__x86_64__) || defined(__i386__)) && defined(__GNUC__)
        __builtin_ia32_pause();
#endif
    }
    PyEval_RestoreThread(state);
    atomic_store(&between_fits, state);
}

/* Lets other threads run during work that takes longer than some 50 µs, at about 1e9 operations a second; what it
 * gives is for PyEval_RestoreThread, where that isn't NULL. */
static PyThreadState *let_others_run(const lm_run *run, double operations)
{
    return run->released == NULL && operations > 5e4 ? PyEval_SaveThread() : NULL;
}

static void resume(PyThreadState *state)
{
    if (state != NULL) {
        PyEval_RestoreThread(state);
    }
}

/* Seconds since some moment, to a few thousandths. */
static double seconds(void)
{
    struct timespec now;

#ifdef CLOCK_MONOTONIC_COARSE
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
#elif defined(CLOCK_MONOTONIC)
    clock_gettime(CLOCK_MONOTONIC, &now);
#else /* Windows */
    timespec_get(&now, TIME_UTC);
#endif
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Ctrl-C comes as a signal that only code with the GIL can look for. */
static int look_for_signals(lm_run *run)
{
    static const double interval = 0.05;

    if (run->sees_signals) {
        return GO_ON;
    }
    if (run->released == NULL) {
        return PyErr_CheckSignals() == 0 ? GO_ON : EXCEPTION;
    }
    const double now = seconds();
    if (now - run->looked < interval) {
        return GO_ON;
    }
    run->looked = now;
    take_gil(run->released);
    const int status = PyErr_CheckSignals() == 0 ? GO_ON : EXCEPTION;
    run->released = release_gil();
    return status;
}

/* Residuals ---------------------------------------------------------------------------------------------- */

static int look_at_the_time(const lm_run *run)
{
    if (run->is_late == NULL) {
        return GO_ON;
    }
    PyObject *answer = PyObject_CallNoArgs(run->is_late);
    const int late = answer == NULL ? -1 : PyObject_IsTrue(answer);
    Py_XDECREF(answer);
    return late < 0 ? EXCEPTION : late ? TOO_LATE : GO_ON;
}

static int evaluate(lm_run *run, const double *x, double *f)
{
    lm_fit *fit = run->p.fit;
    int status = look_at_the_time(run);

    if (status != GO_ON) {
        return status;
    }
    fit->calls++;
    if (run->func_compiled != NULL) {
        status = lm_call_compiled(run->func_compiled, fit->m, fit->n, x, f);
    } else {
        PyObject *result = lm_call(&run->caller, run->func, x, fit->n);
        status = lm_take_vector(run->convert.as_residuals, result, f, fit->m, x, fit->n, fit->calls) ? GO_ON : EXCEPTION;
    }
    return status == GO_ON ? look_for_signals(run) : status;
}

/* ‖f‖, or the root of twice the robust cost. */
static int norm_of(const lm_run *run, const double *f, double *norm)
{
    const int m = run->p.fit->m;

    if (run->loss == NULL) {
        *norm = enorm_(&m, f);
        return GO_ON;
    }
    PyObject *answer = PyObject_CallMethod(run->loss, "norm", "N", lm_vector(f, m));
    *norm = answer == NULL ? -1.0 : PyFloat_AsDouble(answer);
    Py_XDECREF(answer);
    return PyErr_Occurred() ? EXCEPTION : GO_ON;
}

/* Differences -------------------------------------------------------------------------------------------- */

/* What func gives at all points of differences, by several workers at once: a list, or NULL with an exception set. */
static PyObject *ask_workers(const lm_run *run, const double *values, const double *others, int count)
{
    const npy_intp n = run->p.fit->n;
    npy_intp shape[2] = {count, n};
    PyObject *points = PyArray_SimpleNew(2, shape, NPY_DOUBLE);

    if (points == NULL) {
        return NULL;
    }
    for (npy_intp i = 0; i < count; i++) {
        const npy_intp j = others == NULL ? i : i / 2;
        double *point = lm_data(points) + i * n;
        memcpy(point, run->p.x, (size_t)n * sizeof *point);
        point[j] = others != NULL && i % 2 ? others[j] : values[j];
    }
    PyObject *answers = PyObject_CallFunction(run->workers, "N", points);
    if (answers != NULL && (!PyList_CheckExact(answers) || PyList_GET_SIZE(answers) != count)) {
        PyErr_SetString(PyExc_SystemError, "workers gave something else than they promise");
        Py_CLEAR(answers);
    }
    return answers;
}

/* J by forward or central differences, column after column. */
static int take_differences(lm_run *run, double *jac)
{
    lm_machine *p = &run->p;
    lm_fit *fit = p->fit;
    const int m = fit->m, n = fit->n, central = fit->differences == 2, count = central ? 2 * n : n;
    const double precision = fmax(fit->precision, DBL_EPSILON);
    PyObject *answers = NULL;
    int status = GO_ON;

    for (int j = 0; j < n && fit->precision > 0; j++) {
        p->eta[j] = central ? cbrt(precision) : sqrt(precision);
    }
    if (central) {
        central_steps_(&n, p->x, p->typical, p->eta, p->lower, p->upper, p->beside, p->lengths);
    } else {
        forward_steps_(&n, p->x, p->typical, p->eta, p->lower, p->upper, p->sizes, p->beside, p->lengths);
    }
    if (run->workers != NULL) {
        answers = ask_workers(run, p->beside, central ? p->lengths : NULL, count);
        status = answers == NULL ? EXCEPTION : GO_ON;
        fit->calls += count;
    }
    memcpy(p->point, p->x, (size_t)n * sizeof *p->point);
    for (int i = 0; i < count && status == GO_ON; i++) {
        const int j = central ? i / 2 : i, is_far = central && i % 2;
        double *column = jac + (size_t)j * (size_t)m, *to = !central ? column : is_far ? p->spare : p->trial_f;
        p->point[j] = is_far ? p->lengths[j] : p->beside[j];
        if (answers == NULL) {
            status = evaluate(run, p->point, to);
        } else if (!lm_take_vector(run->convert.as_residuals, Py_NewRef(PyList_GET_ITEM(answers, i)), to, m, p->point, n,
                                   fit->calls - count + i + 1)) {
            status = EXCEPTION;
        }
        p->point[j] = p->x[j];
        if (status != GO_ON || (central && !is_far)) {
            continue;
        }
        if (central) {
            const double to_near = p->beside[j] - p->x[j], to_far = p->lengths[j] - p->x[j];
            central_column_(&m, p->f, p->trial_f, p->spare, &to_near, &to_far, column);
        } else {
            for (int k = 0; k < m; k++) {
                column[k] = (column[k] - p->f[k]) / p->lengths[j];
            }
        }
    }
    Py_XDECREF(answers);
    return status;
}

/* The same, once more with longer steps where the residuals prove coarser than they seem (derivatives/coarse.f90). */
static int take_lasting_differences(lm_run *run, double *jac)
{
    lm_machine *p = &run->p;
    const int m = p->fit->m, n = p->fit->n;
    int is_coarse = 0, status = take_differences(run, jac);

    if (status != GO_ON || p->fit->precision_known || p->fit->differences != 1) {
        return status;
    }
    find_coarse_(&m, &n, p->sizes, p->f, jac, p->side);
    for (int j = 0; j < n; j++) {
        is_coarse |= p->side[j];
    }
    if (!is_coarse) {
        return GO_ON;
    }
    longer_point_(&n, p->x, p->sizes, p->side, p->lower, p->upper, p->point);
    status = evaluate(run, p->point, p->trial_f);
    if (status != GO_ON) {
        return status;
    }
    p->fit->precision_known = 1;
    contradicts_(&m, &n, p->x, p->f, jac, p->side, p->point, p->trial_f, &is_coarse);
    if (!is_coarse) {
        return GO_ON;
    }
    p->fit->precision = FLT_EPSILON;
    return take_differences(run, jac);
}

/* Jacobians ---------------------------------------------------------------------------------------------- */

/* Where J goes that is made here, by rows or by columns; NULL with an exception set. It is made where it is to be
 * factored, unless it is to be kept, or is factored by blocks. */
static double *place_for_jacobian(lm_run *run, int by_rows)
{
    const lm_fit *fit = run->p.fit;
    npy_intp shape[2] = {fit->m, fit->n};

    if (!fit->restarts && !run->p.by_blocks && !by_rows) {
        return run->p.factor;
    }
    if (!run->owns_jacobian) {
        Py_XSETREF(run->jacobian, (PyArrayObject *)PyArray_EMPTY(2, shape, NPY_DOUBLE, !by_rows));
        run->owns_jacobian = run->jacobian != NULL;
    }
    return run->jacobian == NULL ? NULL : PyArray_DATA(run->jacobian);
}

/* J as the user's function gives it: a large one is left where it lies, without a copy, if it has no gaps. */
static int take_given(lm_run *run, const double **jac, int *by_rows)
{
    lm_machine *p = &run->p;
    const int m = p->fit->m, n = p->fit->n, turned = run->col_deriv;
    PyObject *result = run->source == NULL
                           ? lm_call(&run->caller, run->jac, p->x, n)
                           : PyObject_CallFunction(run->source, "NN", lm_vector(p->x, n), lm_vector(p->f, m));
    PyArrayObject *array =
        lm_as_plain_jacobian(run->convert.as_jacobian, result, m, n, turned, run->source != NULL || run->caller.whole == NULL, p->x);

    if (array == NULL) {
        return EXCEPTION;
    }
    if (!p->by_blocks || run->loss != NULL) {
        double *copy = place_for_jacobian(run, 0);
        if (copy != NULL) {
            lm_copy_strided(PyArray_BYTES(array), PyArray_STRIDE(array, turned), PyArray_STRIDE(array, !turned), copy, m, n);
        }
        Py_DECREF(array);
        *jac = copy;
        return copy == NULL ? EXCEPTION : look_for_signals(run);
    }
    if (!PyArray_IS_C_CONTIGUOUS(array) && !PyArray_IS_F_CONTIGUOUS(array)) {
        Py_SETREF(array, (PyArrayObject *)PyArray_NewCopy(array, NPY_CORDER));
    }
    Py_XSETREF(run->jacobian, array);
    if (array == NULL) {
        return EXCEPTION;
    }
    *jac = PyArray_DATA(array);
    *by_rows = PyArray_IS_C_CONTIGUOUS(array) ? !turned : turned;
    return look_for_signals(run);
}

/* J at x, and whether its rows lie one after the other, or its columns. */
static int take_jacobian(lm_run *run, const double **jac, int *by_rows)
{
    const lm_fit *fit = run->p.fit;
    int status = look_at_the_time(run);

    *by_rows = run->jac_compiled != NULL && run->jac_compiled->convention == LM_JACOBIAN_C;
    if (status != GO_ON) {
        return status;
    }
    if (run->jac_compiled == NULL && (run->source != NULL || fit->differences == 0)) {
        return take_given(run, jac, by_rows);
    }
    double *place = place_for_jacobian(run, *by_rows);
    *jac = place;
    if (place == NULL) {
        return EXCEPTION;
    }
    if (run->jac_compiled == NULL) {
        return take_lasting_differences(run, place);
    }
    status = lm_call_compiled(run->jac_compiled, fit->m, fit->n, run->p.x, place);
    return status == GO_ON ? look_for_signals(run) : status;
}

/* The residuals and the rows of J of the least squares problem that stands for the robust one; f goes to trial_f. */
static int correct(const lm_run *run, double *jac)
{
    const lm_machine *p = &run->p;
    const npy_intp m = p->fit->m, n = p->fit->n;
    PyObject *f, *rows, *answer = PyObject_CallMethod(run->loss, "correct", "N", lm_vector(p->f, m));

    if (answer == NULL || !PyArg_ParseTuple(answer, "OO", &f, &rows) || !lm_has_size(f, m) || !lm_has_size(rows, m)) {
        Py_XDECREF(answer);
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_SystemError, "loss gave something else than it promises");
        }
        return EXCEPTION;
    }
    memcpy(p->trial_f, lm_data(f), (size_t)m * sizeof(double));
    for (npy_intp j = 0; j < n; j++) {
        for (npy_intp i = 0; i < m; i++) {
            jac[i + j * m] *= lm_data(rows)[i];
        }
    }
    Py_DECREF(answer);
    return GO_ON;
}

/* R, P, Qᵀf and the norms of J's columns. */
static void factorize(lm_machine *p, const double *jac, int by_rows, const double *f)
{
    const int m = p->fit->m, n = p->fit->n, order = n + 1;

    if (p->by_blocks) {
        enum { LINE = 64 }; /* bytes of a cache line, and of the widest vector */
        const int rows = fold_rows_(&n);
        double *block = (double *)(((uintptr_t)p->factor + LINE - 1) & ~(uintptr_t)(LINE - 1));
        double *t = block + (size_t)rows * (size_t)order, *scratch = t + (size_t)order * (size_t)order;
        memset(t, 0, (size_t)order * (size_t)order * sizeof *t);
        fold_jacobian_(&m, &n, jac, &by_rows, f, t, &order, block, &rows, scratch);
        lm_pivot_(&n, t, &order, p->r, &n, p->ipvt, p->qtf, p->acnorm, p->step, scratch);
        return;
    }
    if (jac != p->factor) {
        const npy_intp size = sizeof *jac;
        lm_copy_strided((const char *)jac, by_rows ? n * size : size, by_rows ? size : m * size, p->factor, m, n);
    }
    if (f != p->trial_f) {
        memcpy(p->trial_f, f, (size_t)m * sizeof *f);
    }
    lm_factor_(&m, &n, p->factor, &m, p->ipvt, p->trial_f, p->qtf, p->acnorm, p->step, p->wa1);
    for (npy_intp j = 0; j < n && p->r != p->factor; j++) {
        memcpy(p->r + j * n, p->factor + j * m, (size_t)n * sizeof *p->r);
    }
}

/* The factorization at x, unless the last one is that. */
static int bring_factor(lm_run *run)
{
    lm_machine *p = &run->p;
    lm_fit *fit = p->fit;
    const int before = fit->calls;
    const double *jac = NULL;
    int by_rows = 0;

    if (fit->jacobian_is_at_x) {
        return GO_ON;
    }
    int status = take_jacobian(run, &jac, &by_rows);
    if (!fit->restarts) {
        fit->nfev += fit->calls - before; /* as MINPACK counts */
    }
    if (status == GO_ON && run->loss != NULL) {
        status = correct(run, (double *)jac);
    }
    if (status == GO_ON) {
        PyThreadState *state = let_others_run(run, 2.0 * fit->m * fit->n * fit->n);
        factorize(p, jac, by_rows, run->loss == NULL ? p->f : p->trial_f);
        resume(state);
        fit->njev++;
        fit->jacobian_is_at_x = 1;
    }
    return status;
}

/* The loop ------------------------------------------------------------------------------------------------ */

/* Goes on for so many accepted steps, or to the end where steps < 0. A fit whose last step ends it is brought to its
 * end as well. */
static int go_on(lm_run *run, long steps)
{
    lm_machine *p = &run->p;
    lm_fit *fit = p->fit;
    const double n = fit->n;
    double norm;
    int status = GO_ON;

    while (status == GO_ON && !(steps == 0 && fit->info == LM_running)) {
        PyThreadState *state = let_others_run(run, 5 * n * n * n);
        const int wanted = lm_wants(p);
        resume(state);
        switch (wanted) {
        case LM_want_factor:
            status = bring_factor(run);
            if (status == GO_ON) {
                lm_feed_factor(p);
            }
            break;
        case LM_want_norm:
            status = evaluate(run, p->trial, p->trial_f);
            if (status == GO_ON) {
                status = norm_of(run, p->trial_f, &norm);
            }
            if (status == GO_ON) {
                lm_take_norm_(fit, &fit->n, p->diag, p->trial, &norm, p->x, p->wa1);
            } else if (status != TOO_LATE) {
                fit->nfev++;
            }
            break;
        case LM_took_step:
            memcpy(p->f, p->trial_f, (size_t)fit->m * sizeof *p->f);
            steps--;
            break;
        default:
            return GO_ON;
        }
    }
    return status;
}

/* Prepares what is called: 0 with an exception set where that can't be. Where all of it is compiled, the GIL is released
 * until finish(). */
static int prepare(lm_run *run, PyTupleObject *args)
{
    const lm_fit *fit = run->p.fit;
    const lm_compiled *func = run->func_compiled = lm_as_compiled(run->func);
    const lm_compiled *jac = run->jac_compiled = lm_as_compiled(run->jac);

    run->sees_signals = PyFunction_Check(run->func);
    if ((func != NULL && func->m != fit->m) || (jac != NULL && (jac->m != fit->m || jac->n != fit->n))) {
        PyErr_SetString(PyExc_ValueError, "compiled functions of other sizes than those of the fit");
        return 0;
    }
    if (!lm_prepare_caller(&run->caller, args)) {
        return 0;
    }
    if (func != NULL && (jac != NULL || run->jac == NULL) && run->source == NULL && run->workers == NULL
        && run->loss == NULL && run->is_late == NULL) {
        if (place_for_jacobian(run, jac != NULL && jac->convention == LM_JACOBIAN_C) == NULL) {
            return 0;
        }
        run->looked = seconds();
        run->released = release_gil();
    }
    return 1;
}

static void finish(lm_run *run)
{
    if (run->released != NULL) {
        take_gil(run->released);
    }
    lm_release_caller(&run->caller);
}

static PyObject *or_null(PyObject *object)
{
    return object == Py_None ? NULL : object;
}

PyObject *lm_solve(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *memory, *jac, *source, *workers, *loss, *is_late, *whole, *free, *kept;
    PyTupleObject *more;
    lm_run run = {.jac = NULL};
    long steps;
    int status = EXCEPTION;

    if (!PyArg_ParseTuple(args, "O(OOO!OOOOOOOO)lO!:solve", &memory, &run.func, &jac, &PyTuple_Type, &more,
                          &run.convert.as_residuals, &run.convert.as_jacobian, &source, &workers, &loss, &is_late, &whole,
                          &free, &steps, &PyList_Type, &kept)
        || !lm_open(&run.p, memory)) {
        return NULL;
    }
    run.jac = or_null(jac);
    run.source = or_null(source);
    run.workers = or_null(workers);
    run.loss = or_null(loss);
    run.is_late = or_null(is_late);
    if (!run.p.fit->jacobian_is_at_x) { /* two of them may be more than fits into memory */
        PyList_SetItem(kept, 0, Py_NewRef(Py_None));
    }
    if (prepare(&run, more)) {
        if (whole != Py_None) { /* Python has seen to these two */
            run.caller.whole = (PyArrayObject *)whole;
            run.caller.free = PyArray_DATA((PyArrayObject *)free);
        }
        status = steps == 0 ? bring_factor(&run) : go_on(&run, steps);
    }
    finish(&run);
    if (run.jacobian != NULL) {
        PyObject *jacobian = run.p.fit->jacobian_is_at_x ? (PyObject *)run.jacobian : Py_None;
        PyList_SetItem(kept, 0, Py_NewRef(jacobian));
        Py_DECREF(run.jacobian);
    }
    return status == EXCEPTION ? NULL : PyLong_FromLong(status);
}

/* leastsq ------------------------------------------------------------------------------------------------- */

/* infodict's fjac, of shape (n, m): R in the upper triangle of its transpose. One that isn't finite is J itself, for the
 * caller to look for the culprit. */
static PyObject *tell_factor(lm_run *run)
{
    const lm_machine *p = &run->p;
    const npy_intp m = p->fit->m, n = p->fit->n;
    npy_intp shape[2] = {n, m};
    PyObject *fjac;

    if (run->jacobian != NULL && p->by_blocks && (run->owns_jacobian || p->fit->info == LM_jacobian_not_finite)) {
        fjac = run->col_deriv && !run->owns_jacobian ? Py_NewRef(run->jacobian)
                                                     : PyArray_Transpose(run->jacobian, NULL);
        if (fjac != NULL && !PyArray_IS_C_CONTIGUOUS((PyArrayObject *)fjac)) {
            Py_SETREF(fjac, PyArray_NewCopy((PyArrayObject *)fjac, NPY_CORDER));
        }
    } else {
        fjac = PyArray_ZEROS(2, shape, NPY_DOUBLE, 0);
    }
    if (fjac == NULL || !p->by_blocks) {
        if (fjac != NULL) {
            memcpy(lm_data(fjac), p->factor, (size_t)(n * m) * sizeof(double));
        }
        return fjac;
    }
    for (npy_intp j = 0; j < n && p->fit->info != LM_jacobian_not_finite; j++) {
        memcpy(lm_data(fjac) + j * m, p->r + j * n, (size_t)(j + 1) * sizeof(double));
    }
    return fjac;
}

/* (x, info), or (x, fvec, info, nfev, njev, fjac, ipvt, qtf) where all is wanted, or Python has something to say. */
static PyObject *tell(lm_run *run, int full_output)
{
    enum { LAST_TO_TRUST = LM_ftol_and_xtol }; /* gtol may be met by a Jacobian of zeros: for the caller to see */
    const lm_machine *p = &run->p;
    const lm_fit *fit = p->fit;
    PyObject *x = lm_vector(p->x, fit->n);

    if (!full_output && LM_ftol <= fit->info && fit->info <= LAST_TO_TRUST) {
        return x == NULL ? NULL : Py_BuildValue("Ni", x, fit->info);
    }
    npy_intp n = fit->n;
    PyObject *ipvt = PyArray_SimpleNew(1, &n, NPY_INT);
    if (ipvt != NULL) {
        memcpy(PyArray_DATA((PyArrayObject *)ipvt), p->ipvt, (size_t)n * sizeof(int));
    }
    PyObject *njev = run->jac == NULL ? Py_NewRef(Py_None) : PyLong_FromLong(fit->njev);
    return Py_BuildValue("NNiiNNNN", x, lm_vector(p->f, fit->m), fit->info, fit->nfev, njev, tell_factor(run), ipvt,
                         lm_vector(p->qtf, n));
}

PyObject *lm_leastsq(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *jac, *x, *f, *diag, *outcome = NULL;
    PyTupleObject *more;
    lm_run run = {.convert = lm_own_converters};
    lm_fit fit = {.mode = 1, .nfev = 1, .calls = 1};
    int full_output, status = EXCEPTION;

    if (!PyArg_ParseTuple(args, "OOOOO!pdddidOdp:leastsq", &run.func, &jac, &x, &f, &PyTuple_Type, &more, &run.col_deriv,
                          &fit.ftol, &fit.xtol, &fit.gtol, &fit.maxfev, &fit.precision, &diag, &fit.factor, &full_output)) {
        return NULL;
    }
    run.jac = or_null(jac);
    fit.differences = run.jac == NULL;
    if (!lm_fits(&fit, x, f, &diag, 1)) {
        return NULL;
    }
    double *memory = PyMem_RawMalloc(lm_size(&fit) * sizeof *memory);
    if (memory == NULL) {
        return PyErr_NoMemory();
    }
    memcpy(memory, &fit, sizeof fit);
    lm_cut(&run.p, memory);
    lm_fill(&run.p, lm_data(x), lm_data(f), diag, Py_None, Py_None, Py_None, Py_None);
    if (prepare(&run, more)) {
        status = run.func_compiled == NULL ? GO_ON : lm_call_compiled(run.func_compiled, fit.m, fit.n, run.p.x, run.p.f);
        if (status == GO_ON) {
            const double norm = enorm_(&fit.m, run.p.f);
            run.p.fit->precision = fmax(fit.precision, DBL_EPSILON);
            run.p.fit->precision_known = fit.precision > DBL_EPSILON || norm == 0;
            lm_begin_(run.p.fit, &norm);
            status = go_on(&run, -1);
        }
        if (status != GO_ON) {
            run.p.fit->info = status;
        }
    }
    finish(&run);
    if (status != EXCEPTION) {
        outcome = tell(&run, full_output);
    }
    Py_XDECREF(run.jacobian);
    PyMem_RawFree(memory);
    return outcome;
}
