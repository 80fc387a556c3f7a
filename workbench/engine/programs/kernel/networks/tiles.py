"""A stage's sums of products over rows of samples, four outputs by four taps: a number serves four products.

    source (rows, T)     what the stage is given: a number of T samples a row
    into (O·P, T)        what it gives before its ReLU, or the pull-back there; o at pixel p is row o·P + p
    theta, w, width      weight of output o and column k: theta[w + o·width + k]
    table, taps, pixels  pixel p's taps lie from table[taps + p] to table[taps + p + 1]: pairs (row, column)

The inner loops stand where they are run, and rows are found by unsigned numbers: else they are not compiled
to several samples at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.engine.programs.kernel.compiled import part

U = np.uintp


@part
def sum_taps(
    theta: Any, w: Any, width: Any, source: Any, into: Any, table: Any, taps: Any, pixels: Any
) -> None:
    """Output o at pixel p gains Σ weight · source over its taps."""
    outputs, count = into.shape[0] // pixels, into.shape[1]
    for o in range(0, outputs - 3, 4):
        w0 = theta[w + o * width : w + (o + 1) * width]
        w1 = theta[w + (o + 1) * width : w + (o + 2) * width]
        w2 = theta[w + (o + 2) * width : w + (o + 3) * width]
        w3 = theta[w + (o + 3) * width : w + (o + 4) * width]
        for p in range(pixels):
            c0, c1 = into[U(o * pixels + p)], into[U((o + 1) * pixels + p)]
            c2, c3 = into[U((o + 2) * pixels + p)], into[U((o + 3) * pixels + p)]
            begin, end = table[taps + p], table[taps + p + 1]
            full = begin + (end - begin) // 8 * 8
            for t in range(begin, full, 8):
                x0, x1 = source[U(table[t])], source[U(table[t + 2])]
                x2, x3 = source[U(table[t + 4])], source[U(table[t + 6])]
                a0, a1, a2, a3 = U(table[t + 1]), U(table[t + 3]), U(table[t + 5]), U(table[t + 7])
                w00, w01, w02, w03 = w0[a0], w0[a1], w0[a2], w0[a3]
                w10, w11, w12, w13 = w1[a0], w1[a1], w1[a2], w1[a3]
                w20, w21, w22, w23 = w2[a0], w2[a1], w2[a2], w2[a3]
                w30, w31, w32, w33 = w3[a0], w3[a1], w3[a2], w3[a3]
                for s in range(count):
                    y0, y1, y2, y3 = x0[s], x1[s], x2[s], x3[s]
                    c0[s] += w00 * y0 + w01 * y1 + w02 * y2 + w03 * y3
                    c1[s] += w10 * y0 + w11 * y1 + w12 * y2 + w13 * y3
                    c2[s] += w20 * y0 + w21 * y1 + w22 * y2 + w23 * y3
                    c3[s] += w30 * y0 + w31 * y1 + w32 * y2 + w33 * y3
            for t in range(full, end, 2):
                x0, a0 = source[U(table[t])], U(table[t + 1])
                w00, w10, w20, w30 = w0[a0], w1[a0], w2[a0], w3[a0]
                for s in range(count):
                    c0[s] += w00 * x0[s]
                    c1[s] += w10 * x0[s]
                    c2[s] += w20 * x0[s]
                    c3[s] += w30 * x0[s]
    for o in range(outputs // 4 * 4, outputs):
        for p in range(pixels):
            c0 = into[U(o * pixels + p)]
            for t in range(table[taps + p], table[taps + p + 1], 2):
                x0, weight = source[U(table[t])], theta[w + o * width + table[t + 1]]
                for s in range(count):
                    c0[s] += weight * x0[s]


@part
def pull_inputs(
    theta: Any, w: Any, width: Any, source: Any, into: Any, table: Any, taps: Any, pixels: Any
) -> None:
    """The transpose: the rows of `source` gain Σ weight · into over the outputs they are a tap of."""
    outputs, count = into.shape[0] // pixels, into.shape[1]
    for p in range(pixels):
        begin, end = table[taps + p], table[taps + p + 1]
        full = begin + (end - begin) // 8 * 8
        for t in range(begin, full, 8):
            c0, c1 = source[U(table[t])], source[U(table[t + 2])]
            c2, c3 = source[U(table[t + 4])], source[U(table[t + 6])]
            a0, a1, a2, a3 = U(table[t + 1]), U(table[t + 3]), U(table[t + 5]), U(table[t + 7])
            for o in range(0, outputs - 3, 4):
                w0 = theta[w + o * width : w + (o + 1) * width]
                w1 = theta[w + (o + 1) * width : w + (o + 2) * width]
                w2 = theta[w + (o + 2) * width : w + (o + 3) * width]
                w3 = theta[w + (o + 3) * width : w + (o + 4) * width]
                x0, x1 = into[U(o * pixels + p)], into[U((o + 1) * pixels + p)]
                x2, x3 = into[U((o + 2) * pixels + p)], into[U((o + 3) * pixels + p)]
                w00, w01, w02, w03 = w0[a0], w0[a1], w0[a2], w0[a3]
                w10, w11, w12, w13 = w1[a0], w1[a1], w1[a2], w1[a3]
                w20, w21, w22, w23 = w2[a0], w2[a1], w2[a2], w2[a3]
                w30, w31, w32, w33 = w3[a0], w3[a1], w3[a2], w3[a3]
                for s in range(count):
                    y0, y1, y2, y3 = x0[s], x1[s], x2[s], x3[s]
                    c0[s] += w00 * y0 + w10 * y1 + w20 * y2 + w30 * y3
                    c1[s] += w01 * y0 + w11 * y1 + w21 * y2 + w31 * y3
                    c2[s] += w02 * y0 + w12 * y1 + w22 * y2 + w32 * y3
                    c3[s] += w03 * y0 + w13 * y1 + w23 * y2 + w33 * y3
        for t in range(begin, end, 2):
            c0, a0 = source[U(table[t])], table[t + 1]
            for o in range(0 if t >= full else outputs // 4 * 4, outputs):
                x0, weight = into[U(o * pixels + p)], theta[w + o * width + a0]
                for s in range(count):
                    c0[s] += weight * x0[s]


@part
def pull_weights(
    gradient: Any, w: Any, width: Any, source: Any, into: Any, table: Any, taps: Any, pixels: Any
) -> None:
    """The gradient of a weight gains Σ source · into over samples and pixels."""
    outputs, count = into.shape[0] // pixels, into.shape[1]
    for o in range(0, outputs - 3, 4):
        w0 = gradient[w + o * width : w + (o + 1) * width]
        w1 = gradient[w + (o + 1) * width : w + (o + 2) * width]
        w2 = gradient[w + (o + 2) * width : w + (o + 3) * width]
        w3 = gradient[w + (o + 3) * width : w + (o + 4) * width]
        for p in range(pixels):
            g0, g1 = into[U(o * pixels + p)], into[U((o + 1) * pixels + p)]
            g2, g3 = into[U((o + 2) * pixels + p)], into[U((o + 3) * pixels + p)]
            begin, end = table[taps + p], table[taps + p + 1]
            full = begin + (end - begin) // 8 * 8
            for t in range(begin, full, 8):
                x0, x1 = source[U(table[t])], source[U(table[t + 2])]
                x2, x3 = source[U(table[t + 4])], source[U(table[t + 6])]
                s00 = s01 = s02 = s03 = s10 = s11 = s12 = s13 = 0.0
                s20 = s21 = s22 = s23 = s30 = s31 = s32 = s33 = 0.0
                for s in range(count):
                    y0, y1, y2, y3 = x0[s], x1[s], x2[s], x3[s]
                    h0, h1, h2, h3 = g0[s], g1[s], g2[s], g3[s]
                    s00 += h0 * y0
                    s01 += h0 * y1
                    s02 += h0 * y2
                    s03 += h0 * y3
                    s10 += h1 * y0
                    s11 += h1 * y1
                    s12 += h1 * y2
                    s13 += h1 * y3
                    s20 += h2 * y0
                    s21 += h2 * y1
                    s22 += h2 * y2
                    s23 += h2 * y3
                    s30 += h3 * y0
                    s31 += h3 * y1
                    s32 += h3 * y2
                    s33 += h3 * y3
                a0, a1, a2, a3 = U(table[t + 1]), U(table[t + 3]), U(table[t + 5]), U(table[t + 7])
                w0[a0] += s00
                w0[a1] += s01
                w0[a2] += s02
                w0[a3] += s03
                w1[a0] += s10
                w1[a1] += s11
                w1[a2] += s12
                w1[a3] += s13
                w2[a0] += s20
                w2[a1] += s21
                w2[a2] += s22
                w2[a3] += s23
                w3[a0] += s30
                w3[a1] += s31
                w3[a2] += s32
                w3[a3] += s33
            for t in range(full, end, 2):
                x0, a0 = source[U(table[t])], U(table[t + 1])
                s00 = s10 = s20 = s30 = 0.0
                for s in range(count):
                    s00 += g0[s] * x0[s]
                    s10 += g1[s] * x0[s]
                    s20 += g2[s] * x0[s]
                    s30 += g3[s] * x0[s]
                w0[a0] += s00
                w1[a0] += s10
                w2[a0] += s20
                w3[a0] += s30
    for o in range(outputs // 4 * 4, outputs):
        for p in range(pixels):
            g0 = into[U(o * pixels + p)]
            for t in range(table[taps + p], table[taps + p + 1], 2):
                x0 = source[U(table[t])]
                total = 0.0
                for s in range(count):
                    total += g0[s] * x0[s]
                gradient[w + o * width + table[t + 1]] += total
