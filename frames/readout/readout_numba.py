"""Readout on the CPU: one pass over the counts, noise drawn on the way.

Normal numbers come in pairs by the method of Box & Muller (1958, Ann. Math. Stat. 29, 610) from one 64-bit number: the
upper 31 bits are the radius, the lower 32 the angle, so that none exceeds √(2 ln 2³²) = 6.7 (beyond which one in 10¹¹
would lie). Logarithm, sine and cosine are the single-precision polynomials of Cephes (Moshier 1989), written out: loops
without calls are vectorised.
"""

import math

import numpy as np
from numba import float32, int32, njit, prange
from numba.extending import intrinsic

from frames.rng.compiled import bits

f32, i32 = np.float32, np.int32


@intrinsic
def _as_int(_, value):
    return int32(float32), _same_bits


@intrinsic
def _as_float(_, value):
    return float32(int32), _same_bits


def _same_bits(context, builder, signature, values):
    return builder.bitcast(values[0], context.get_value_type(signature.return_type))


@njit(inline="always")
def _log(u):
    """ln u of a normal float32 u > 0."""
    pattern = _as_int(u)
    exponent = i32((pattern - i32(0x3F3504F3)) >> i32(23))  # of √½: the rest lies in [√½, √2)
    x = _as_float(i32(pattern - (exponent << i32(23)))) - f32(1)
    p = f32(7.0376836292e-2)
    p = p * x - f32(1.1514610310e-1)
    p = p * x + f32(1.1676998740e-1)
    p = p * x - f32(1.2420140846e-1)
    p = p * x + f32(1.4249322787e-1)
    p = p * x - f32(1.6668057665e-1)
    p = p * x + f32(2.0000714765e-1)
    p = p * x - f32(2.4999993993e-1)
    p = p * x + f32(3.3333331174e-1)
    return f32(exponent) * f32(math.log(2)) + (x - f32(0.5) * x * x + x * x * x * p)


@njit(inline="always")
def _pair(word):
    """Two independent standard normal numbers from 64 random bits."""
    radius = math.sqrt(f32(-2) * _log((f32(i32(word >> np.uint64(33))) + f32(0.5)) * f32(2.0**-31)))
    angle = i32(np.uint32(word & np.uint64(0xFFFFFFFF)))  # signed: -π to π in steps of 2π/2³²
    quarter = i32((np.int64(angle) + np.int64(2**29)) >> np.int64(30))
    x = f32(i32(np.int64(angle) - (np.int64(quarter) << np.int64(30)))) * f32(math.pi / 2**31)
    z = x * x
    sine = x + x * z * (f32(-1.6666654611e-1) + z * (f32(8.3321608736e-3) - z * f32(1.9515295891e-4)))
    cosine = f32(1) - f32(0.5) * z
    cosine += z * z * (f32(4.166664568298827e-2) + z * (f32(-1.388731625493765e-3) + z * f32(2.443315711809948e-5)))
    odd = (quarter & i32(1)) != 0
    c, s = (sine, cosine) if odd else (cosine, sine)
    c = -c if ((quarter + i32(1)) & i32(2)) != 0 else c
    s = -s if (quarter & i32(2)) != 0 else s
    return radius * c, radius * s


@njit(inline="always")
def _draw(state, first, second):
    """Standard normal numbers; as many in `first` as in `second`, or one more."""
    for j in range(second.shape[0]):
        first[j], second[j] = _pair(bits(state, j))
    for j in range(second.shape[0], first.shape[0]):
        first[j] = _pair(bits(state, j))[0]


@njit(parallel=True, error_model="numpy", cache=True)
def amplify(photons, gain, offset, works, states, sigma, adu_per_photon, readings):
    """readings = gain · photons + offset + sigma · noise, in whole ADUs unless adu_per_photon is 0; 0 where not works.

    photons and readings (n, p); gain, offset and works (p,); states (n,) of the stream read_noise. The number at place
    j of the stream gives the noise of pixels j and j + (p + 1)//2.
    """
    pixels = photons.shape[1]
    half = (pixels + 1) // 2
    for i in prange(photons.shape[0]):
        reading = readings[i]
        # Noise first and in the same place: a loop that only writes is vectorised, one that adds to both halves is not.
        if sigma > 0:
            _draw(states[i], reading[:half], reading[half:])
        else:
            reading[:] = f32(0)
        for j in range(pixels):
            reading[j] = gain[j] * f32(photons[i, j]) + offset[j] + sigma * reading[j]
        if adu_per_photon > 0:
            for j in range(pixels):
                reading[j] = np.rint(reading[j] * adu_per_photon) / adu_per_photon
        for j in range(pixels):
            reading[j] = reading[j] if works[j] else f32(0)
