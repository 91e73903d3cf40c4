#include "callable.h"
#include "module.h"

#include <limits.h>

const lm_compiled *lm_as_compiled(PyObject *object)
{
    if (object == NULL || !PyBytes_CheckExact(object) || PyBytes_GET_SIZE(object) != sizeof(lm_compiled)) {
        return NULL;
    }
    return (const lm_compiled *)PyBytes_AS_STRING(object);
}

int lm_call_compiled(const lm_compiled *compiled, int m, int n, const double *x, double *result)
{
    if (compiled->convention == LM_MINPACK) {
        int iflag = 1;
        ((lm_minpack_residuals *)compiled->function)(&m, &n, (double *)x, result, &iflag);
        return iflag < 0 ? iflag : 0;
    }
    const int status = ((lm_compiled_function *)compiled->function)(m, n, x, result, compiled->data);
    return status > 0 ? -status : status == INT_MIN ? -INT_MAX : status;
}

PyObject *lm_evaluate_compiled(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *object;
    PyArrayObject *x, *result;
    int status;

    if (!PyArg_ParseTuple(args, "SO!O!:evaluate_compiled", &object, &PyArray_Type, &x, &PyArray_Type, &result)) {
        return NULL;
    }
    const lm_compiled *compiled = lm_as_compiled(object);
    Py_BEGIN_ALLOW_THREADS
    status = lm_call_compiled(compiled, compiled->m, (int)PyArray_SIZE(x), PyArray_DATA(x), PyArray_DATA(result));
    Py_END_ALLOW_THREADS
    return PyLong_FromLong(status);
}
