#include "array.h"
#include "compiled.h"
#include "module.h"

#include <limits.h>

static const char capsule_name[] = "pyminpack.compiled";




static void destroy(PyObject *capsule)
{
    PyMem_Free(PyCapsule_GetPointer(capsule, capsule_name));
}

PyObject *lm_make_compiled(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *function, *data, *capsule;
    int convention, m, n;

    if (!PyArg_ParseTuple(args, "OOiii:make_compiled", &function, &data, &convention, &m, &n)) {
        return NULL;
    }
    const lm_compiled compiled = {
        .function = PyLong_AsVoidPtr(function),
        .data = PyLong_AsVoidPtr(data),
        .convention = (lm_convention)convention,
        .m = m,
        .n = n,
    };
    if (PyErr_Occurred()) {
        return NULL;
    }
    lm_compiled *kept = PyMem_New(lm_compiled, 1);
    if (kept == NULL) {
        return PyErr_NoMemory();
    }
    *kept = compiled;
    capsule = PyCapsule_New(kept, capsule_name, destroy);
    if (capsule == NULL) {
        PyMem_Free(kept);
    }
    return capsule;
}

const lm_compiled *lm_as_compiled(PyObject *object)
{
    if (object == NULL || !PyCapsule_IsValid(object, capsule_name)) {
        return NULL;
    }
    return PyCapsule_GetPointer(object, capsule_name);
}

int lm_call_compiled(const lm_compiled *compiled, int m, int n, const double *x, double *result)
{
    int status = 0;

    if (compiled->convention == LM_MINPACK) {
        int iflag = 1;
        ((lm_minpack_residuals *)compiled->function)(&m, &n, (double *)x, result, &iflag);
        return iflag < 0 ? iflag : 0;
    }
    status = ((lm_compiled_residuals *)compiled->function)(m, n, x, result, compiled->data);
    if (status == INT_MIN) {
        status = INT_MAX;
    }
    return status > 0 ? -status : status;
}

PyObject *lm_evaluate_compiled(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *capsule;
    PyArrayObject *x, *result;
    const lm_compiled *compiled;
    int status;

    if (!PyArg_ParseTuple(args, "OO!O!:evaluate_compiled", &capsule, &PyArray_Type, &x, &PyArray_Type, &result)) {
        return NULL;
    }
    compiled = lm_as_compiled(capsule);
    if (compiled == NULL) {
        PyErr_SetString(PyExc_TypeError, "the first argument must be what make_compiled gives");
        return NULL;
    }
    const int n = (int)PyArray_SIZE(x);
    Py_BEGIN_ALLOW_THREADS
    status = lm_call_compiled(compiled, compiled->m, n, PyArray_DATA(x), PyArray_DATA(result));
    Py_END_ALLOW_THREADS
    return PyLong_FromLong(status);
}

PyObject *lm_read_capsule(PyObject *Py_UNUSED(self), PyObject *capsule)
{
    if (!PyCapsule_CheckExact(capsule)) {
        PyErr_Format(PyExc_TypeError, "a capsule is needed, not %.80s", Py_TYPE(capsule)->tp_name);
        return NULL;
    }
    const char *name = PyCapsule_GetName(capsule);
    void *pointer = PyCapsule_GetPointer(capsule, name);
    void *context = PyCapsule_GetContext(capsule);
    if (pointer == NULL || PyErr_Occurred()) {
        return NULL;
    }
    return Py_BuildValue("NzN", PyLong_FromVoidPtr(pointer), name, PyLong_FromVoidPtr(context));
}
