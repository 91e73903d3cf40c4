/* Fits, from beginning to end or some steps at a time: the one way from Python into the iteration. */
#include "module.h"
#include "run.h"

#include <float.h>
#include <math.h>
#include <time.h>

/* Seconds since some moment, to a few thousandths where that is cheaper. */
static double seconds(void)
{
    struct timespec now;

#ifdef CLOCK_MONOTONIC_COARSE
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
#else
    timespec_get(&now, TIME_UTC);
#endif
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* The GIL ------------------------------------------------------------------------------------------------ */

#ifdef __STDC_NO_ATOMICS__
#define release_gil PyEval_SaveThread
#define take_gil PyEval_RestoreThread
#else
#include <stdatomic.h>

/* The thread that fits with compiled functions and is between two fits, and so has the GIL for the few microseconds that
 * Python takes there; or NULL. Another one that waited for the GIL asleep would wake up when the first is through with
 * its next fit, and find it taken again. So it looks here for some microseconds first: two threads make 1.6 times as many
 * fits as one instead of 1.3 (benchmarks/bench_compiled.py). The mark goes after the GIL itself, and not where the next
 * thread has put its own in its place: a thread that sees no mark finds the GIL free. */
static _Atomic(PyThreadState *) between_fits = NULL;

static PyThreadState *release_gil(void)
{
    PyThreadState *state = PyEval_SaveThread(), *mine = state;

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
#endif

void lm_release_gil(lm_run *run)
{
    run->looked = seconds();
    run->released = release_gil();
}

void lm_take_gil(lm_run *run)
{
    take_gil(run->released);
    run->released = NULL;
}

/* Lets other threads run during work that takes longer than some 50 µs, at about 1e9 operations a second. */
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
    if (fabs(now - run->looked) < interval) {
        return GO_ON;
    }
    run->looked = now;
    take_gil(run->released);
    const int status = PyErr_CheckSignals() == 0 ? GO_ON : EXCEPTION;
    run->released = release_gil();
    return status;
}

/* Residuals ---------------------------------------------------------------------------------------------- */

/* Takes what func has given at x, converted where it has to be; f is where that lies, until the next is taken. */
static int take_answer(lm_run *run, PyObject *answer, const double *x, const double **f)
{
    lm_fit *fit = run->p.fit;

    run->answer = lm_as_plain_vector(run->convert.as_residuals, answer, fit->m, x, fit->n, ++fit->calls);
    if (run->answer == NULL) {
        return EXCEPTION;
    }
    *f = lm_data(run->answer);
    return GO_ON;
}

/* The residuals at x, and where they lie, until the next call; compiled ones in trial_f. */
static int evaluate(lm_run *run, const double *x, const double **f)
{
    lm_fit *fit = run->p.fit;
    int status;

    Py_CLEAR(run->answer);
    if (run->func_compiled != NULL) {
        fit->calls++;
        *f = run->p.trial_f;
        status = lm_call_compiled(run->func_compiled, fit->m, fit->n, x, run->p.trial_f);
    } else {
        status = take_answer(run, lm_call(&run->caller, run->func, x, fit->n, NULL), x, f);
    }
    return status == GO_ON ? look_for_signals(run) : status;
}

/* The residuals at x, in trial_f. */
static int evaluate_trial(lm_run *run, const double *x)
{
    const double *f = NULL;
    const int status = evaluate(run, x, &f);

    if (status == GO_ON && f != run->p.trial_f) {
        memcpy(run->p.trial_f, f, (size_t)run->p.fit->m * sizeof *f);
    }
    return status;
}

double lm_known_norm(const lm_run *run, const double *f)
{
    double norm;

    if (run->known_loss == 0) {
        return enorm_(&run->p.fit->m, f);
    }
    robust_norm_(&run->p.fit->m, f, &run->known_loss, &run->scale, &norm);
    return norm;
}

/* ‖f‖, or the root of twice the robust cost; NaN with an exception set. */
static double norm_of(const lm_run *run, const double *f)
{
    const int m = run->p.fit->m;
    double norm;

    if (run->loss == NULL) {
        PyThreadState *state = let_others_run(run, m);
        norm = lm_known_norm(run, f);
        resume(state);
        return norm;
    }
    PyObject *answer = PyObject_CallMethod(run->loss, "norm", "N", lm_vector(f, m));
    norm = answer == NULL ? NAN : PyFloat_AsDouble(answer);
    Py_XDECREF(answer);
    return norm;
}

/* Jacobians ---------------------------------------------------------------------------------------------- */

/* What func gives at all points of differences, by several workers at once: a list, or NULL with an exception set. */
static PyObject *ask_workers(const lm_run *run, int count)
{
    const lm_machine *p = &run->p;
    npy_intp shape[2] = {count, p->fit->n};
    PyObject *points = PyArray_SimpleNew(2, shape, NPY_DOUBLE);

    for (int i = 1; points != NULL && i <= count; i++) {
        double *point = lm_data(points) + (i - 1) * shape[1];
        memcpy(point, p->x, (size_t)shape[1] * sizeof *point);
        difference_point_(p->fit, &p->fit->n, p->x, p->list, p->values, p->others, &i, point);
    }
    PyObject *answers = points == NULL ? NULL : PyObject_CallFunction(run->workers, "N", points);
    if (answers != NULL && (!PyList_CheckExact(answers) || PyList_GET_SIZE(answers) != count)) {
        PyErr_SetString(PyExc_SystemError, "workers gave something else than they promise");
        Py_CLEAR(answers);
    }
    return answers;
}

/* J by differences, column after column: the loop of minpack/derivatives/differences.f90. */
static int try_differences(lm_run *run, double *jac)
{
    lm_machine *p = &run->p;
    lm_fit *fit = p->fit;
    const int m = fit->m, n = fit->n;
    int again = 0, count, doubted, status = GO_ON;

    do {
        PyObject *answers = NULL;
        plan_differences_(fit, &n, p->x, p->typical, p->eta, p->lower, p->upper, p->acnorm, p->states, p->list,
                          p->sizes, p->values, p->others, &count);
        if (run->workers != NULL) {
            answers = ask_workers(run, count);
            status = answers == NULL ? EXCEPTION : GO_ON;
        }
        memcpy(p->point, p->x, (size_t)n * sizeof *p->x);
        for (int i = 1; i <= count && status == GO_ON; i++) {
            const double *moved = NULL;
            difference_point_(fit, &n, p->x, p->list, p->values, p->others, &i, p->point);
            if (answers == NULL) {
                status = evaluate(run, p->point, &moved);
            } else {
                Py_CLEAR(run->answer);
                status = take_answer(run, Py_NewRef(PyList_GET_ITEM(answers, i - 1)), p->point, &moved);
            }
            if (status == GO_ON) {
                PyThreadState *state = let_others_run(run, m);
                take_difference_(fit, &m, &n, p->x, p->f, p->list, p->values, p->others, &i, moved, jac, p->states);
                resume(state);
            }
        }
        Py_XDECREF(answers);
        if (status == GO_ON) {
            doubt_differences_(fit, &m, &n, p->x, p->f, p->sizes, p->lower, p->upper, jac, p->states, p->side, p->point,
                               &doubted);
            again = doubted;
        }
        if (status == GO_ON && doubted == 1 && (status = evaluate_trial(run, p->point)) == GO_ON) {
            settle_differences_(fit, &m, &n, p->x, p->f, jac, p->side, p->point, p->trial_f, &again);
        }
    } while (status == GO_ON && again);
    return status;
}

/* The same; where it fails, what is known of steps is as before, so that another try takes the same ones. */
static int take_differences(lm_run *run, double *jac)
{
    lm_machine *p = &run->p;
    const double noise = p->fit->noise, doubt = p->fit->doubt;
    const size_t size = LM_STATE * (size_t)p->fit->n * sizeof(double);
    double *states = PyMem_RawMalloc(size);

    if (states != NULL) {
        memcpy(states, p->states, size);
    }
    const int status = try_differences(run, jac);
    if (status != GO_ON && states != NULL) {
        memcpy(p->states, states, size);
        p->fit->noise = noise;
        p->fit->doubt = doubt;
    }
    PyMem_RawFree(states);
    return status;
}

/* Where J goes that is made here, by rows or by columns; NULL with an exception set. It is made where it is to be
 * factored, unless it is to be kept, or is factored by blocks. */
static double *place_for_jacobian(lm_run *run, int by_rows)
{
    const lm_fit *fit = run->p.fit;
    npy_intp shape[2] = {fit->m, fit->n};
    const int kind = by_rows ? MADE_BY_ROWS : MADE_BY_COLUMNS;

    if (!fit->restarts && !run->p.by_blocks && !by_rows) {
        return run->p.factor;
    }
    if (run->room[0] != NULL) {
        return run->room[0];
    }
    if (run->jacobian == NULL || run->kind != kind) {
        PyThreadState *released = run->released;
        if (released != NULL) {
            take_gil(released);
        }
        Py_XSETREF(run->jacobian, (PyArrayObject *)PyArray_EMPTY(2, shape, NPY_DOUBLE, !by_rows));
        run->kind = kind;
        if (released != NULL) {
            run->released = release_gil();
        }
    }
    return run->jacobian == NULL ? NULL : PyArray_DATA(run->jacobian);
}

static int is_robust(const lm_run *run)
{
    return run->loss != NULL || run->known_loss != 0;
}

/* J as the user's function gives it, or a source of Python's. It is left where it lies if it has no gaps, and is neither
 * small and to be kept, as the user may fill it anew, nor to be scaled. */
static int take_given(lm_run *run, const double **jac, int *by_rows)
{
    lm_machine *p = &run->p;
    const int m = p->fit->m, n = p->fit->n, turned = run->col_deriv;
    const int is_ours = is_robust(run) || (p->fit->restarts && !p->by_blocks);

    Py_CLEAR(run->jacobian); /* two of them may be more than fits into memory */
    PyObject *result = run->source == NULL
                           ? lm_call(&run->caller, run->jac, p->x, n, NULL)
                           : PyObject_CallFunction(run->source, "NN", lm_vector(p->x, n), lm_vector(p->f, m));
    PyArrayObject *array = lm_as_plain_jacobian(run->convert.as_jacobian, result, m, n, turned,
                                                run->source != NULL || run->caller.whole == NULL, p->x);

    if (array != NULL && (is_ours || !(PyArray_IS_C_CONTIGUOUS(array) || PyArray_IS_F_CONTIGUOUS(array)))) {
        Py_SETREF(array, (PyArrayObject *)PyArray_NewCopy(array, is_ours ? NPY_FORTRANORDER : NPY_CORDER));
    }
    if (array == NULL) {
        return EXCEPTION;
    }
    run->jacobian = array;
    run->kind = NOT_MADE_HERE;
    *jac = PyArray_DATA(array);
    *by_rows = PyArray_IS_C_CONTIGUOUS(array) ? !turned : turned;
    return look_for_signals(run);
}

/* J at x, and whether its rows lie one after the other, or its columns. */
static int take_jacobian(lm_run *run, const double **jac, int *by_rows)
{
    const lm_compiled *compiled = run->jac_compiled;

    *by_rows = compiled != NULL && compiled->convention == LM_JACOBIAN_C;
    run->given += run->p.fit->differences == 0;
    if (run->p.fit->differences != 0) {
        compiled = NULL;
        *by_rows = 0;
    } else if (compiled == NULL) {
        return take_given(run, jac, by_rows);
    }
    double *place = place_for_jacobian(run, *by_rows);
    *jac = place;
    if (place == NULL) {
        return EXCEPTION;
    }
    if (compiled == NULL) {
        return take_differences(run, place);
    }
    const int status = lm_call_compiled(compiled, run->p.fit->m, run->p.fit->n, run->p.x, place);
    return status == GO_ON ? look_for_signals(run) : status;
}

/* The residuals at x of the least squares problem that stands for the robust one, and the factors of the rows of J there: a
 * tuple, or NULL with an exception set. */
static PyObject *ask_loss(const lm_run *run, PyObject **f, PyObject **rows)
{
    const npy_intp m = run->p.fit->m;
    PyObject *answer = PyObject_CallMethod(run->loss, "correct", "N", lm_vector(run->p.f, m));

    if (answer == NULL || !PyArg_ParseTuple(answer, "OO", f, rows) || !lm_has_size(*f, m) || !lm_has_size(*rows, m)) {
        PyErr_Occurred() ? (void)0 : PyErr_SetString(PyExc_SystemError, "loss gave something else than it promises");
        Py_CLEAR(answer);
    }
    return answer;
}

static void scale_rows(const lm_fit *fit, const double *rows, double *jac, int by_rows)
{
    const npy_intp m = fit->m, n = fit->n;

    for (npy_intp outer = 0; outer < (by_rows ? m : n); outer++) {
        for (npy_intp inner = 0; inner < (by_rows ? n : m); inner++) {
            *jac++ *= rows[by_rows ? outer : inner];
        }
    }
}

/* Makes of f, in trial_f, and of J that problem. */
static int correct(const lm_run *run, double *jac, int by_rows)
{
    const lm_machine *p = &run->p;
    const int m = p->fit->m;
    PyObject *f, *rows, *answer;

    if (run->known_loss != 0) {
        for (int i = 0; i < m; i++) {
            p->trial_f[i] = 1;
        }
        robust_rows_(&m, p->f, &run->known_loss, &run->scale, p->trial_f);
        scale_rows(p->fit, p->trial_f, jac, by_rows);
        robust_residuals_(&m, p->f, &run->known_loss, &run->scale, p->trial_f);
        return GO_ON;
    }
    answer = ask_loss(run, &f, &rows);
    if (answer == NULL) {
        return EXCEPTION;
    }
    memcpy(p->trial_f, lm_data(f), (size_t)m * sizeof(double));
    scale_rows(p->fit, lm_data(rows), jac, by_rows);
    Py_DECREF(answer);
    return GO_ON;
}

/* The same for a change of f, in trial_f. */
static int correct_change(const lm_run *run)
{
    PyObject *f, *rows, *answer;

    if (run->known_loss != 0) {
        robust_rows_(&run->p.fit->m, run->p.f, &run->known_loss, &run->scale, run->p.trial_f);
        return GO_ON;
    }
    answer = ask_loss(run, &f, &rows);
    if (answer == NULL) {
        return EXCEPTION;
    }
    for (int i = 0; i < run->p.fit->m; i++) {
        run->p.trial_f[i] *= lm_data(rows)[i];
    }
    Py_DECREF(answer);
    return GO_ON;
}

/* Puts the last Jacobian aside, or takes it back. */
static void exchange_jacobians(lm_run *run)
{
    PyArrayObject *last = run->jacobian;
    double *room = run->room[0];

    run->jacobian = run->earlier;
    run->earlier = last;
    run->kind = NOT_MADE_HERE;
    run->room[0] = run->room[1];
    run->room[1] = room;
}

static int is_finite(const double *values, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (!isfinite(values[i])) {
            return 0;
        }
    }
    return 1;
}

int lm_bring_factor(lm_run *run)
{
    lm_machine *p = &run->p;
    lm_fit *fit = p->fit;
    const int before = fit->calls;
    const double *jac = NULL;
    int by_rows = 0;

    if (fit->jacobian_is_at_x) {
        return GO_ON;
    }
    const int has_ended = fit->restarts && fit->info != LM_info_running;
    if (has_ended && !p->by_blocks) {
        exchange_jacobians(run);
    }
    int status = take_jacobian(run, &jac, &by_rows);
    if (!fit->restarts || fit->given) {
        fit->nfev += fit->calls - before; /* as MINPACK counts, and because every call counts where J is given */
    }
    if (has_ended && (status != GO_ON || !is_finite(jac, (size_t)fit->m * fit->n))) {
        fit->njev += status == GO_ON;
        if (!p->by_blocks) {
            exchange_jacobians(run); /* as the factorization of it stays */
        }
        return status;
    }
    if (status == GO_ON && is_robust(run)) {
        status = correct(run, (double *)jac, by_rows);
    } else {
        memcpy(p->trial_f, p->f, (size_t)fit->m * sizeof *p->f);
    }
    if (status != GO_ON) {
        return status;
    }
    PyThreadState *state = let_others_run(run, 2.0 * fit->m * fit->n * fit->n);
    if (p->r == p->factor) {
        if (jac != p->factor) {
            const npy_intp size = sizeof *jac, down = by_rows ? fit->n * size : size;
            lm_copy_strided((const char *)jac, down, by_rows ? size : fit->m * size, p->factor, fit->m, fit->n);
        }
        lm_factor_(&fit->m, &fit->n, p->r, &fit->m, p->ipvt, p->trial_f, p->qtf, p->acnorm, p->step, p->wa1);
    } else {
        lm_factorize_(&fit->m, &fit->n, jac, &by_rows, &p->by_blocks, p->trial_f, p->r, &p->ldr, p->ipvt, p->qtf,
                      p->acnorm, p->wa1, p->factor);
    }
    resume(state);
    fit->njev++;
    fit->jacobian_is_at_x = 1;
    return GO_ON;
}

/* The first n entries of Qᵀ times the change of f from x to the trial point, in trial_f. */
static int bring_curvature(lm_run *run)
{
    const lm_machine *p = &run->p;
    const int m = p->fit->m;
    int status = evaluate_trial(run, p->trial);

    if (status != GO_ON) {
        return status;
    }
    for (int i = 0; i < m; i++) {
        p->trial_f[i] -= p->f[i];
    }
    if (is_robust(run) && (status = correct_change(run)) != GO_ON) {
        return status;
    }
    PyThreadState *state = let_others_run(run, 4.0 * m * p->fit->n);
    apply_qt_(&m, &p->fit->n, p->factor, &m, p->trial_f);
    resume(state);
    return GO_ON;
}

/* The loop ------------------------------------------------------------------------------------------------ */

/* Whether the last step is taken, and the fit goes on from it with another one. Where it makes sure of an end, the Jacobian
 * there tells whether it does. */
static int has_paused(const lm_fit *fit, long steps, int wanted)
{
    const int wants_step = wanted == LM_want_norm || wanted == LM_want_curvature;

    return steps == 0 && fit->info == LM_info_running && (wants_step || fit->claim == 0);
}

int lm_go_on(lm_run *run, long steps)
{
    lm_machine *p = &run->p;
    lm_fit *fit = p->fit;
    const double n = fit->n;
    int wanted = 0, status = GO_ON;

    while (status == GO_ON && wanted != LM_ended && !has_paused(fit, steps, wanted)) {
        PyThreadState *state = let_others_run(run, 5 * n * n * n);
        lm_next_(fit, &fit->n, p->r, &p->ldr, p->ipvt, p->qtf, p->acnorm, p->diag, p->x, p->lower, p->upper, &wanted,
                 p->trial, p->step, p->wa1, p->wa2, p->side, p->place, p->box, p->refuge);
        resume(state);
        if (has_paused(fit, steps, wanted)) {
            break; /* the trial point that is wanted belongs to the next step */
        }
        if (wanted == LM_want_factor) {
            status = lm_bring_factor(run);
            if (status == GO_ON && !fit->jacobian_is_at_x) {
                lose_jacobian_(fit); /* it has ended, and there is nothing by which to look whether it should go on */
            } else if (status == GO_ON) {
                lm_take_factor_(fit, &fit->n, p->r, &p->ldr, p->ipvt, p->qtf, p->acnorm, p->x, p->lower, p->upper,
                                p->diag, p->wa1, p->wa2);
            }
        } else if (wanted == LM_want_norm) {
            status = evaluate_trial(run, p->trial);
            const double norm = status == GO_ON ? norm_of(run, p->trial_f) : NAN;
            if (status == GO_ON && run->loss != NULL && PyErr_Occurred()) {
                status = EXCEPTION;
            }
            if (status == GO_ON) {
                const int was_above = fit->is_above;
                lm_take_norm_(fit, &fit->n, p->diag, p->trial, &norm, p->x, p->wa1);
                if (fit->is_above && !was_above) { /* it has gone back from a lower end */
                    memcpy(p->end_f, p->f, (size_t)fit->m * sizeof *p->f);
                }
                if (fit->accepted) { /* at once, so that nobody ever sees x of one point and f of another */
                    memcpy(p->f, p->trial_f, (size_t)fit->m * sizeof *p->f);
                }
            } else if (status != EXCEPTION) {
                fit->nfev++;
            }
        } else if (wanted == LM_want_curvature) {
            status = bring_curvature(run);
            if (status == GO_ON) {
                lm_take_curvature_(fit, &fit->n, p->r, &p->ldr, p->ipvt, p->trial_f, p->diag, p->x, p->lower, p->upper,
                                   p->trial, p->step, p->values, p->wa1, p->wa2, p->side, p->place, p->box);
            } else if (status != EXCEPTION) {
                fit->nfev++;
            }
        } else if (wanted == LM_took_step) {
            steps--;
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
    if ((func != NULL && (func->m != fit->m || func->n != 0))
        || (jac != NULL && (jac->m != fit->m || jac->n != fit->n))) {
        PyErr_SetString(PyExc_ValueError, "compiled functions of other sizes than those of the fit");
        return 0;
    }
    if (func == NULL || (jac == NULL && run->jac != NULL) || run->source || run->workers || run->loss) {
        return lm_prepare_caller(&run->caller, args);
    }
    if (place_for_jacobian(run, jac != NULL && jac->convention == LM_JACOBIAN_C) == NULL) {
        return 0;
    }
    lm_release_gil(run);
    return 1;
}

static void finish(lm_run *run)
{
    if (run->released != NULL) {
        lm_take_gil(run);
    }
    Py_XDECREF(run->answer);
    lm_release_caller(&run->caller);
}

static PyObject *or_null(PyObject *object)
{
    return object == Py_None ? NULL : object;
}

/* Whether a Jacobian is kept: the one at x; and at the end of a fit the one before as long as that at x isn't known, unless
 * two of them may be more than fits into memory. */
static int keeps_jacobian(const lm_machine *p)
{
    return p->fit->jacobian_is_at_x || (p->fit->info != LM_info_running && !p->by_blocks);
}

PyObject *lm_solve(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *memory, *jac, *source, *workers, *loss, *whole, *free, *kept;
    PyTupleObject *more;
    lm_run run = {.jac = NULL};
    long steps;
    int status = EXCEPTION;

    if (!PyArg_ParseTuple(args, "O(OOO!OOOOOOO)lO!:solve", &memory, &run.func, &jac, &PyTuple_Type, &more,
                          &run.convert.as_residuals, &run.convert.as_jacobian, &source, &workers, &loss, &whole, &free,
                          &steps, &PyList_Type, &kept)
        || !lm_open(&run.p, memory)) {
        return NULL;
    }
    lm_fit *fit = run.p.fit;
    if (fit->busy) { /* by another thread, or by the one whose function has come here */
        Py_RETURN_NONE;
    }
    fit->busy = 1;
    run.jac = or_null(jac);
    run.source = or_null(source);
    run.workers = or_null(workers);
    if (PyTuple_Check(loss)) { /* one that is known here */
        run.known_loss = (int)PyLong_AsLong(PyTuple_GET_ITEM(loss, 0));
        run.scale = PyFloat_AsDouble(PyTuple_GET_ITEM(loss, 1));
    } else {
        run.loss = or_null(loss);
    }
    const int before = fit->njev;
    if (!keeps_jacobian(&run.p)) {
        PyList_SetItem(kept, 0, Py_NewRef(Py_None));
    }
    if (prepare(&run, more)) {
        if (whole != Py_None) { /* Python has seen to these two */
            run.caller.whole = (PyArrayObject *)whole;
            run.caller.free = PyArray_DATA((PyArrayObject *)free);
        }
        status = steps == 0 ? lm_bring_factor(&run) : lm_go_on(&run, steps);
    }
    finish(&run);
    if (!keeps_jacobian(&run.p)) {
        PyList_SetItem(kept, 0, Py_NewRef(Py_None));
    } else if (fit->njev > before && run.jacobian != NULL) { /* else it is that of an earlier call */
        PyList_SetItem(kept, 0, Py_NewRef((PyObject *)run.jacobian));
    }
    Py_XDECREF(run.jacobian);
    Py_XDECREF(run.earlier);
    fit->busy = 0;
    return status == EXCEPTION ? NULL : PyLong_FromLong(status);
}

/* leastsq ------------------------------------------------------------------------------------------------- */

/* (x, info), or (x, fvec, info, nfev, njev, fjac, ipvt, qtf, jacobian, error, is_replaced) where all is wanted, or Python has
   something to say. */
static PyObject *tell(lm_run *run, int full_output)
{
    enum { LAST_TO_TRUST = LM_info_ftol_and_xtol }; /* gtol may be met by a Jacobian of zeros: for Python to see */
    const lm_machine *p = &run->p;
    const lm_fit *fit = p->fit;
    PyObject *x = lm_vector(p->x, fit->n);
    npy_intp n = fit->n, shape[2] = {n, p->ldr};

    if (!full_output && LM_info_ftol <= fit->info && fit->info <= LAST_TO_TRUST) {
        return x == NULL ? NULL : Py_BuildValue("Ni", x, fit->info);
    }
    PyObject *ipvt = PyArray_SimpleNew(1, &n, NPY_INT), *r = PyArray_SimpleNew(2, shape, NPY_DOUBLE);
    if (ipvt != NULL && r != NULL) {
        memcpy(PyArray_DATA((PyArrayObject *)ipvt), p->ipvt, (size_t)n * sizeof(int));
        memcpy(lm_data(r), p->r, (size_t)(n * p->ldr) * sizeof(double));
    }
    double error;
    find_jacobian_error_(fit, &error);
    PyObject *jacobian = run->jacobian != NULL && p->by_blocks ? (PyObject *)run->jacobian : Py_None;
    PyObject *njev = run->jac == NULL ? Py_NewRef(Py_None) : PyLong_FromLong(run->given);
    const int is_replaced = run->jac != NULL && fit->differences != 0;
    return Py_BuildValue("NNiiNNNNOdi", x, lm_vector(p->f, fit->m), fit->info, fit->nfev, njev, r, ipvt,
                         lm_vector(p->qtf, n), jacobian, error, is_replaced);
}

/* Where leastsq finds its arguments. */
enum { FUNC, JAC, X, F, ARGS, COL_DERIV, FTOL, XTOL, GTOL, MAXFEV, PRECISION, DIAG, FACTOR, FULL_OUTPUT, COUNT };

PyObject *lm_leastsq(PyObject *Py_UNUSED(self), PyObject *const *args, Py_ssize_t count)
{
    PyObject *outcome = NULL;
    int status = EXCEPTION;

    if (count != COUNT || !PyTuple_Check(args[ARGS])) {
        return PyErr_Format(PyExc_TypeError, "leastsq takes %d arguments, and those of func as a tuple", COUNT);
    }
    const int full_output = PyObject_IsTrue(args[FULL_OUTPUT]);
    lm_run run = {.convert = lm_own_converters, .func = args[FUNC], .jac = or_null(args[JAC])};
    run.col_deriv = PyObject_IsTrue(args[COL_DERIV]);
    lm_fit fit = {.certifies = 1, .nfev = 1, .calls = 1, .differences = run.jac == NULL, .given = run.jac != NULL};
    fit.ftol = PyFloat_AsDouble(args[FTOL]);
    fit.xtol = PyFloat_AsDouble(args[XTOL]);
    fit.gtol = PyFloat_AsDouble(args[GTOL]);
    fit.maxfev = (int)PyLong_AsLong(args[MAXFEV]);
    fit.precision = PyFloat_AsDouble(args[PRECISION]);
    fit.factor = PyFloat_AsDouble(args[FACTOR]);
    if (PyErr_Occurred() || !lm_fits(&fit, args[X], args[F], args + DIAG, 1)) {
        return NULL;
    }
    fit.precision_known = fit.precision > DBL_EPSILON;
    fit.precision = fmax(fit.precision, DBL_EPSILON);
    /* Not from pymalloc, whose pools would travel between cores. */
    double *memory = PyMem_RawMalloc(lm_cut(&run.p, &fit, NULL) * sizeof *memory);
    if (memory == NULL) {
        return PyErr_NoMemory();
    }
    const double *diag = lm_optional(args[DIAG]);
    lm_fill(&run.p, &fit, memory, lm_data(args[X]), lm_data(args[F]), &diag, 1);
    if (prepare(&run, (PyTupleObject *)args[ARGS])) {
        status =
            run.func_compiled == NULL ? GO_ON : lm_call_compiled(run.func_compiled, fit.m, fit.n, run.p.x, run.p.f);
        if (status == GO_ON) {
            const double norm = enorm_(&fit.m, run.p.f);
            run.p.fit->precision_known |= norm == 0;
            lm_begin_(run.p.fit, &norm);
            status = lm_go_on(&run, -1);
        }
    }
    finish(&run);
    if (status != GO_ON && status != EXCEPTION) {
        lm_return_to_end(&run.p);
        run.p.fit->info = status;
    }
    if (status != EXCEPTION) {
        outcome = tell(&run, full_output);
    }
    Py_XDECREF(run.jacobian);
    PyMem_RawFree(memory);
    return outcome;
}
