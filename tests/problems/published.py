"""Data sets whose statistics are published, beside Puromycin's: data, models, figures, and where the figures were seen.

Each figure has the digits that are printed there.
"""

import numpy as np

# ------------------------------------------------------------------------------------------------ oxygen demand
# Biochemical oxygen demand by days: Bates and Watts (1988), A1.4. The profiles are those of R's reference output of
# example(profile.nls), tests/Examples/stats-Ex.Rout.save in the sources of R: tau, and both parameters.

DAYS = np.array([1.0, 2, 3, 4, 5, 7])
DEMAND = np.array([8.3, 10.3, 19.0, 16.0, 15.6, 19.8])
DEMAND_PARAMETERS = np.array([19.14258, -0.63282])
DEMAND_PROFILE_OF_A = np.array(
    [
        [-3.0873, 13.59751, 0.14033],
        [-2.4957, 14.46884, 0.01607],
        [-1.8906, 15.41836, -0.11787],
        [-1.2634, 16.49088, -0.26877],
        [-0.6080, 17.75662, -0.44553],
        [0.4998, 20.52853, -0.80750],
        [0.9465, 22.06851, -0.98233],
        [1.3780, 23.98253, -1.17103],
        [1.7908, 26.44552, -1.37431],
        [2.1841, 29.75928, -1.59599],
        [2.5559, 34.43804, -1.84209],
        [2.9028, 41.42542, -2.12176],
    ]
)
DEMAND_PROFILE_OF_LRC = np.array(
    [
        [-2.9550, 42.395076, -2.184153],
        [-2.5201, 33.446683, -1.836926],
        [-2.0570, 28.124205, -1.547326],
        [-1.5710, 24.656989, -1.293871],
        [-1.0653, 22.245847, -1.063030],
        [-0.5412, 20.482887, -0.845157],
        [0.5539, 18.095015, -0.420487],
        [1.1022, 17.273414, -0.207623],
        [1.6298, 16.621533, 0.007939],
        [2.1335, 16.086803, 0.234850],
        [2.6052, 15.638807, 0.485009],
        [3.0276, 15.265409, 0.779458],
    ]
)


def demand(t: np.ndarray, A: float, lrc: float) -> np.ndarray:
    """A first-order reaction, by its limit and the logarithm of its rate."""
    return A * (1 - np.exp(-np.exp(lrc) * t))


# ------------------------------------------------------------------------------------------------ St. Laurent and Cook
# A made-up data set of St. Laurent and Cook (1993), whose intrinsic curvature is large. Data and figures are those of
# SAS/STAT's documentation of PROC NLIN, example "ODS Graphics and Diagnostics", which names them.

CONTRIVED_X = np.array(
    [
        [-4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, -3.5, -3.5, 3.5, 2.5],
        [-2.5, -2.0, -1.5, -1.0, 0.0, 1.0, 1.5, 2.0, 2.5, -2.2, -1.7, 0.7, 1.2],
    ]
)
CONTRIVED_Y = np.array([-10.0, -5.0, -2.0, -1.0, 1.5, 4.0, 5.0, 6.0, 7.0, -7.1, -5.1, 6.1, 7.5])
CONTRIVED_PARAMETERS = np.array([1.9378, 0.0718])
CONTRIVED_ERRORS = np.array([0.4704, 0.7923])
CONTRIVED_LIMITS_OF_ALPHA = np.array([0.9024, 2.9733])
CONTRIVED_LOWER_LIMIT_OF_GAMMA = -1.6720
CONTRIVED_SKEWNESS_OF_ALPHA = 6.6491
CONTRIVED_BIAS_OF_ALPHA = 0.5763
CONTRIVED_PERCENT_BIAS_OF_ALPHA = 29.7


def contrived(x: np.ndarray, alpha: float, gamma: float) -> np.ndarray:
    """Their model."""
    return alpha * x[0] + np.exp(gamma * x[1])


# ------------------------------------------------------------------------------------------------ an enzyme
# SAS/STAT's documentation, "Getting Started" of PROC NLIN and of PROC HPNLMOD; the sum of squares and the mean square
# are those of the latter. The model is Michaelis and Menten's, as in puromycin.py.

ENZYME_CONCENTRATION = np.array([0.26, 0.30, 0.48, 0.50, 0.54, 0.68, 0.82, 1.14, 1.28, 1.38, 1.80, 2.30, 2.44, 2.48])
ENZYME_VELOCITY = np.array(
    [124.7, 126.9, 135.9, 137.6, 139.6, 141.1, 142.8, 147.6, 149.8, 149.4, 153.9, 152.5, 154.5, 154.7]
)
ENZYME_SUM_OF_SQUARES, ENZYME_MEAN_SQUARE = 19.6606, 1.6384


# ------------------------------------------------------------------------------------------------ cars
# Speed and stopping distance of cars, a data set of R. The bands are those of R's predict() for dist ~ speed at 10 mph,
# as public notes on R show them. The errors are those of summary() and sandwich::vcovHC() for speed ~ dist, in
# "A Guide on Data Analysis" (bookdown.org/mike/data_analysis), section "Standard Errors".

SPEED = np.array(
    [
        4,
        4,
        7,
        7,
        8,
        9,
        10,
        10,
        10,
        11,
        11,
        12,
        12,
        12,
        12,
        13,
        13,
        13,
        13,
        14,
        14,
        14,
        14,
        15,
        15,
        15,
        16,
        16,
        17,
        17,
        17,
        18,
        18,
        18,
        18,
        19,
        19,
        19,
        20,
        20,
        20,
        20,
        20,
        22,
        23,
        24,
        24,
        24,
        24,
        25,
    ],
    float,
)
DISTANCE = np.array(
    [
        2,
        10,
        4,
        22,
        16,
        10,
        18,
        26,
        34,
        17,
        28,
        14,
        20,
        24,
        28,
        26,
        34,
        34,
        46,
        26,
        36,
        60,
        80,
        20,
        26,
        54,
        32,
        40,
        32,
        40,
        50,
        42,
        56,
        76,
        84,
        36,
        46,
        68,
        32,
        48,
        52,
        56,
        64,
        66,
        54,
        70,
        92,
        93,
        120,
        85,
    ],
    float,
)
CARS_CONFIDENCE_AT_10 = (15.46192, 28.02807)
CARS_PREDICTION_AT_10 = (-9.809601, 53.29959)
CARS_ERRORS = np.array([0.87438, 0.01749])
CARS_ERRORS_HC1 = np.array([0.891860, 0.019402])


# ------------------------------------------------------------------------------------------------ Longley
# Employment in the United States, 1947 to 1962, by six highly correlated numbers: J. W. Longley (1967), a data set of
# NIST's for linear regression, which certifies the parameters. The errors HC0 to HC3 are Stata's, as they stand in the
# tests of statsmodels (statsmodels/regression/tests/results/results_regression.py).

LONGLEY = np.array(
    [
        [60323, 83.0, 234289, 2356, 1590, 107608, 1947],
        [61122, 88.5, 259426, 2325, 1456, 108632, 1948],
        [60171, 88.2, 258054, 3682, 1616, 109773, 1949],
        [61187, 89.5, 284599, 3351, 1650, 110929, 1950],
        [63221, 96.2, 328975, 2099, 3099, 112075, 1951],
        [63639, 98.1, 346999, 1932, 3594, 113270, 1952],
        [64989, 99.0, 365385, 1870, 3547, 115094, 1953],
        [63761, 100.0, 363112, 3578, 3350, 116219, 1954],
        [66019, 101.2, 397469, 2904, 3048, 117388, 1955],
        [67857, 104.6, 419180, 2822, 2857, 118734, 1956],
        [68169, 108.4, 442769, 2936, 2798, 120445, 1957],
        [66513, 110.8, 444546, 4681, 2637, 121950, 1958],
        [68655, 112.6, 482704, 3813, 2552, 123366, 1959],
        [69564, 114.2, 502601, 3931, 2514, 125368, 1960],
        [69331, 115.7, 518173, 4806, 2572, 127852, 1961],
        [70551, 116.9, 554894, 4007, 2827, 130081, 1962],
    ]
)
LONGLEY_PARAMETERS = np.array(
    [
        15.0618722713733,
        -0.358191792925910e-1,
        -2.02022980381683,
        -1.03322686717359,
        -0.511041056535807e-1,
        1829.15146461355,
        -3482258.63459582,
    ]
)
LONGLEY_ERRORS = {
    "HC0": np.array([51.22035, 0.02458, 0.38324, 0.14625, 0.15821, 428.38438, 832212]),
    "HC1": np.array([68.29380, 0.03277, 0.51099, 0.19499, 0.21094, 571.17917, 1109615]),
    "HC2": np.array([67.49208, 0.03653, 0.55334, 0.20522, 0.22324, 617.59295, 1202370]),
    "HC3": np.array([91.11939, 0.05562, 0.82213, 0.29879, 0.32491, 922.80784, 1799477]),
}
