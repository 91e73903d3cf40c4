/* Which instruction sets the processor has, and the choice among the kernels compiled for them. */
#ifndef PYMINPACK_DISPATCH_H
#define PYMINPACK_DISPATCH_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* Python: kernels() gives the names of those that run here, the plainest first. */
PyObject *lm_kernels(PyObject *self, PyObject *nothing);
extern const char lm_kernels_doc[];

/* Python: kernel() gives the name of the one chosen. */
PyObject *lm_kernel(PyObject *self, PyObject *nothing);
extern const char lm_kernel_doc[];

/* Python: choose_kernel(name) chooses one; ValueError where there is none of that name that runs here. */
PyObject *lm_choose_kernel(PyObject *self, PyObject *name);
extern const char lm_choose_kernel_doc[];

#endif
