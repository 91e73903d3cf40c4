#include "dispatch.h"

#include <string.h>

/* minpack/simd/fold.F90 and wide.F90, whose levels the names' places are. */
extern void minpack_fold_choose(int level);
extern void minpack_wide_choose(int level);

#ifdef LM_FOLD_LEVELS
#include "processor.h"

static const char *const names[] = {"x86-64", "x86-64-v3", "x86-64-v4"};
#else
static const char *const names[] = {"plain"};
#endif

/* The kernel that minpack_fold begins with is the first. */
static int chosen = 0;

const char lm_kernels_doc[] =
    "kernels()\n\n"
    "The names of the factorization's kernels that run on this processor, the plainest first, the best last.";

const char lm_kernel_doc[] =
    "kernel()\n\n"
    "The name of the factorization's kernel in use.";

const char lm_choose_kernel_doc[] =
    "choose_kernel(name)\n\n"
    "Takes another kernel, one of kernels(), for the factorization. Not while a fit is running.";

/* How many of the names, in their order, the processor and the operating system support. */
static int count_kernels(void)
{
#ifdef LM_FOLD_LEVELS
    __builtin_cpu_init();
    return lm_has_v4() ? 3 : lm_has_v3() ? 2 : 1;
#else
    return 1;
#endif
}

PyObject *lm_kernels(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(nothing))
{
    const int count = count_kernels();
    PyObject *result = PyTuple_New(count);

    for (int level = 0; result != NULL && level < count; level++) {
        PyObject *name = PyUnicode_FromString(names[level]);
        if (name == NULL) {
            Py_CLEAR(result);
        } else {
            PyTuple_SET_ITEM(result, level, name);
        }
    }
    return result;
}

PyObject *lm_kernel(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(nothing))
{
    return PyUnicode_FromString(names[chosen]);
}

PyObject *lm_choose_kernel(PyObject *Py_UNUSED(self), PyObject *name)
{
    const char *wanted = PyUnicode_AsUTF8(name);

    if (wanted == NULL) {
        return NULL;
    }
    for (int level = 0; level < count_kernels(); level++) {
        if (strcmp(wanted, names[level]) == 0) {
            minpack_fold_choose(level);
            minpack_wide_choose(level);
            chosen = level;
            Py_RETURN_NONE;
        }
    }
    PyErr_Format(PyExc_ValueError, "there is no kernel %R for this processor", name);
    return NULL;
}
