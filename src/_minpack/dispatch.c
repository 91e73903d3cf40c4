/* Which instruction sets the processor has, and the choice among the kernels compiled for them. */
#include "module.h"

#include <string.h>

extern void minpack_choose_kernels(int level); /* minpack/simd/choose.F90; levels are places of the names below */

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
static const char *const names[] = {"plain", "", ""};

static int count_kernels(void)
{
    return 1;
}
#endif

static int chosen = 0; /* as the core begins */

PyObject *lm_kernels(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(nothing))
{
    static const char *const formats[] = {"(s)", "(ss)", "(sss)"};

    return Py_BuildValue(formats[count_kernels() - 1], names[0], names[1], names[2]);
}

PyObject *lm_kernel(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(nothing))
{
    return PyUnicode_FromString(names[chosen]);
}

PyObject *lm_choose_kernel(PyObject *Py_UNUSED(self), PyObject *name)
{
    const char *wanted = PyUnicode_AsUTF8(name);

    for (int level = 0; wanted != NULL && level < count_kernels(); level++) {
        if (strcmp(wanted, names[level]) == 0) {
            minpack_choose_kernels(chosen = level);
            Py_RETURN_NONE;
        }
    }
    return wanted == NULL ? NULL : PyErr_Format(PyExc_ValueError, "there is no kernel %R for this processor", name);
}
