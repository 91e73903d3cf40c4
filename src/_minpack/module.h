/* What the module's method table names; _minpack.pyf says what each does. */
#ifndef PYMINPACK_MODULE_H
#define PYMINPACK_MODULE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

PyObject *lm_as_start(PyObject *self, PyObject *x0);
PyObject *lm_begin(PyObject *self, PyObject *args);
PyObject *lm_choose_kernel(PyObject *self, PyObject *name);
PyObject *lm_codes(PyObject *self, PyObject *nothing);
PyObject *lm_column_errors(PyObject *self, PyObject *memory);
PyObject *lm_curve_residuals(PyObject *self, PyObject *args);
PyObject *lm_evaluate_compiled(PyObject *self, PyObject *args);
PyObject *lm_fit_each(PyObject *self, PyObject *args);
PyObject *lm_is_plain(PyObject *self, PyObject *array);
PyObject *lm_kernel(PyObject *self, PyObject *nothing);
PyObject *lm_kernels(PyObject *self, PyObject *nothing);
PyObject *lm_layout(PyObject *self, PyObject *nothing);
PyObject *lm_leastsq(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *lm_go_home(PyObject *self, PyObject *memory);
PyObject *lm_look_again(PyObject *self, PyObject *memory);
PyObject *lm_machine_code(PyObject *self, PyObject *args);
PyObject *lm_places(PyObject *self, PyObject *memory);
PyObject *lm_set_converters(PyObject *self, PyObject *args);
PyObject *lm_solve(PyObject *self, PyObject *args);

#endif
