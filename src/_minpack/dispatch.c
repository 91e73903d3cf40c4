#include "dispatch.h"

#include <string.h>

/* minpack/simd/choose.F90. Its levels are the places of the names below. */
extern void minpack_choose_kernels(int level);

#ifdef LM_FOLD_LEVELS
static const char *const names[] = {"x86-64", "x86-64-v3", "x86-64-v4"};

/* How many of the kernels, in their order, run here: processor and operating system have the instruction sets that
 * minpack/meson.build has compiled them for. */
static int count_kernels(void)
{
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) {
        return 1;
    }
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")
               ? 3
               : 2;
}
#else
/* Not x86-64, or Windows, or a compiler that can't ask the processor as GCC and Clang can (minpack/meson.build). */
static const char *const names[] = {"plain"};

static int count_kernels(void)
{
    return 1;
}
#endif

static int chosen = 0; /* as the core begins */

const char lm_kernels_doc[] =
    "kernels()\n\n"
    "The names of the factorization's kernels that run on this processor, the plainest first, the best last.";

const char lm_kernel_doc[] =
    "kernel()\n\n"
    "The name of the factorization's kernel in use.";

const char lm_choose_kernel_doc[] =
    "choose_kernel(name)\n\n"
    "Takes another kernel, one of kernels(), for the factorization. Not while a fit is running.";

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
            minpack_choose_kernels(level);
            chosen = level;
            Py_RETURN_NONE;
        }
    }
    PyErr_Format(PyExc_ValueError, "there is no kernel %R for this processor", name);
    return NULL;
}
