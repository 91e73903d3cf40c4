"""Compiled residuals and Jacobians as objects: what they keep alive, and that nothing changes their sizes."""

import copy
import ctypes
import gc
import pickle
import struct
from typing import Any
from weakref import ref

import numpy as np
import pytest

from c_library import DATA, c_function, c_jacobian, c_residuals, needs_compiler
from models import START, jacobian, residuals
from pyminpack import (
    InputTypeError,
    LevenbergMarquardt,
    OptionError,
    compiled_jacobian,
    compiled_residuals,
    least_squares,
    leastsq,
)

pytestmark = needs_compiler

DOUBLE_P = ctypes.POINTER(ctypes.c_double)
FUNCTION = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_int, DOUBLE_P, DOUBLE_P, ctypes.c_void_p)
MADE = {"residuals": c_residuals, "jacobian": c_jacobian}


class Data(np.ndarray):
    """An array of data whose end can be watched."""


def slots_of(made: Any) -> list[str]:
    return [name for cls in type(made).__mro__ for name in getattr(cls, "__slots__", ())]


# ---------------------------------------------------------------------------------- what nobody changes


@pytest.mark.parametrize("make", MADE.values(), ids=MADE)
def test_nothing_can_be_assigned_or_deleted(make: Any) -> None:
    """With m assigned, the compiled function once wrote beyond the end of its array."""
    made = make()
    for name in [*slots_of(made), "m", "n", "layout", "another", "__class__"]:
        with pytest.raises(AttributeError, match=f"{name} of <compiled .* cannot be changed"):
            setattr(made, name, 50_000)
        with pytest.raises(AttributeError, match=f"{name} of <compiled .* cannot be deleted"):
            delattr(made, name)
    assert not hasattr(made, "__dict__")


def test_arrays_of_other_sizes_are_refused_where_memory_is_written() -> None:
    """Whatever is done to the object behind its back, the sizes are those that the machine code was made with."""
    for size in (1, 19, 21, 50_000):
        fun, jac = c_residuals(), c_jacobian()
        with pytest.raises(ValueError, match="read-only"):
            fun._zeros[:] = 1
        fun._zeros.resize(size, refcheck=False)
        object.__setattr__(jac, "_m", size)
        for call in (fun, jac):
            with pytest.raises(ValueError, match="of its size"):
                call(START)
        with pytest.raises(ValueError, match=r"sizes|fewer|at least as many"):
            leastsq(fun, START)
        with pytest.raises(ValueError, match="m = "):
            leastsq(residuals, START, Dfun=jac)


def test_a_jacobian_in_the_place_of_residuals_is_refused() -> None:
    """It would fill m n numbers where there is room for m."""
    fun = c_residuals()
    object.__setattr__(fun, "_code", c_jacobian()._code)
    with pytest.raises(ValueError, match="other sizes"):
        leastsq(fun, START)
    with pytest.raises(ValueError, match="of its size"):
        fun(START)


@pytest.mark.parametrize("func", ["Python", "compiled"])
def test_bytes_of_the_user_are_not_taken_for_machine_code(func: str) -> None:
    """Compiled functions once reached the core as bytes of this layout: it jumped to the address in them."""
    packed = struct.pack("PPiii0P", 16, 0, 2, 20, 2)
    fun = c_residuals() if func == "compiled" else residuals
    with pytest.raises(InputTypeError, match="Dfun is of type bytes, which is not callable"):
        leastsq(fun, START, Dfun=packed)
    for options in ({}, {"Dfun": jacobian}, {"Dfun": c_jacobian()}, {"full_output": True}):
        with pytest.raises(InputTypeError, match="func is of type bytes, which is not callable"):
            leastsq(packed, START, **options)
    with pytest.raises(OptionError, match="jac is b"):
        least_squares(fun, START, jac=packed)
    for fit in (least_squares, LevenbergMarquardt):
        with pytest.raises(InputTypeError, match="fun is of type bytes"):
            fit(packed, START)


def test_machine_code_is_made_by_the_package_alone() -> None:
    code = c_residuals()._code
    with pytest.raises(TypeError, match="cannot create"):
        type(code)()
    with pytest.raises(TypeError, match="cannot pickle"):
        pickle.dumps(code)
    with pytest.raises(AttributeError):
        code.m = 3
    with pytest.raises(TypeError, match="not an acceptable base type"):
        type("Another", (type(code),), {})


# ------------------------------------------------------------------------------------ what they keep alive


@pytest.mark.parametrize("fit", [leastsq, least_squares], ids=lambda fit: fit.__name__)
def test_data_outlive_the_fit_of_an_object_that_nobody_else_holds(fit: Any) -> None:
    """Regression: leastsq let go of it before the core called the function, which then read memory that was freed."""
    alive = []

    def made() -> Any:
        data = DATA.copy().view(Data)
        watched = ref(data)

        def fill(m: int, n: int, x: Any, fvec: Any, data: Any) -> int:
            alive.append(watched() is not None)
            np.ctypeslib.as_array(fvec, (m,))[:] = residuals(np.array(x[:n]))
            return 0

        return compiled_residuals(FUNCTION(fill), 20, data=data)

    fit(made(), START)
    assert len(alive) > 5
    assert all(alive)


def test_a_ring_of_references_through_machine_code_is_collected() -> None:
    class Owner:
        def fill(self, m: int, n: int, x: Any, fvec: Any, data: Any) -> int:
            return 1

        def __init__(self) -> None:
            self.fun = compiled_residuals(FUNCTION(self.fill), 20, data=DATA.copy())

    watched = ref(Owner())
    gc.collect()
    assert watched() is None


@pytest.mark.parametrize("make", MADE.values(), ids=MADE)
def test_data_cannot_be_moved_in_memory(make: Any) -> None:
    """The function has the address at which they were given."""
    data = DATA.copy()
    made = make(data=data)
    with pytest.raises(ValueError, match="cannot resize"):
        data.resize(10_000, refcheck=False)
    np.testing.assert_array_equal(made(START), make()(START))
    as_bytes = bytearray(DATA.tobytes())
    made = make(data=as_bytes)
    with pytest.raises(BufferError):
        as_bytes.extend(b"more")
    np.testing.assert_array_equal(made(START), make()(START))


# ------------------------------------------------------------------------------------ copies and pickles


@pytest.mark.parametrize("make", MADE.values(), ids=MADE)
def test_each_is_its_own_copy(make: Any) -> None:
    made = make()
    assert copy.copy(made) is made
    assert copy.deepcopy([made])[0] is made


@pytest.mark.parametrize("make", MADE.values(), ids=MADE)
def test_machine_code_stays_in_its_process(make: Any) -> None:
    """An address means nothing in another one."""
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(InputTypeError, match=r"cannot pickle <compiled .* pass the Python function that makes it"):
            pickle.dumps(make(), protocol)


def test_a_fit_by_machine_code_is_copied_but_not_pickled() -> None:
    expected = LevenbergMarquardt(c_residuals(), START, c_jacobian()).run()
    fit = LevenbergMarquardt(c_residuals(), START, c_jacobian())
    fit.step()
    with pytest.raises(InputTypeError, match="cannot pickle <compiled"):
        pickle.dumps(fit)
    other = copy.deepcopy(fit)
    np.testing.assert_array_equal(other.run().x, expected.x)
    assert fit.is_running
    np.testing.assert_array_equal(fit.run().x, expected.x)


def test_a_null_pointer_as_data_takes_the_place_of_the_functions_own() -> None:
    """Data of 0 were once overruled by those of a capsule."""
    seen: list[Any] = []
    function = FUNCTION(lambda m, n, x, fvec, data: seen.append(data) or 1)
    new = ctypes.pythonapi.PyCapsule_New
    new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    capsule = new(ctypes.cast(function, ctypes.c_void_p).value, None, None)
    own = ctypes.pythonapi.PyCapsule_SetContext
    own.argtypes = [ctypes.py_object, ctypes.c_void_p]
    own(capsule, DATA.ctypes.data)
    for data in (None, 0):
        with pytest.raises(ValueError, match="asked to stop"):
            compiled_residuals(capsule, 1, signature="residuals", data=data)([1.0])
    assert seen == [DATA.ctypes.data, None]


def test_a_jacobian_is_called_with_its_own_number_of_parameters() -> None:
    """The core has the sizes of the object; a call from Python must have them, too."""
    with pytest.raises(ValueError, match="n = 2 parameters, and x has 3"):
        c_jacobian()(np.ones(3))
    assert compiled_jacobian(c_function("jacobian_rows"), 20, 2, data=DATA)([1, 1]).shape == (20, 2)
