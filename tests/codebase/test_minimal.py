"""A smoke test that needs the wheel and NumPy alone."""

import numpy as np

import pyminpack


def test_a_line_is_fitted():
    t = np.arange(5.0)
    x, ier = pyminpack.leastsq(lambda x: x[0] + x[1] * t - (3 + 2 * t), [0, 0])
    assert ier in (1, 2, 3, 4)
    assert np.allclose(x, [3, 2])


def test_facts_of_the_build_are_told(capsys):
    pyminpack.show_config()
    told = capsys.readouterr().out
    assert pyminpack.__version__ in told
    assert "Fortran compiler" in told
