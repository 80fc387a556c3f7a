"""KKT points of one squared-ReLU neuron by enumeration of the cells of {x_i·u = 0}.

N(u) = uᵀM_S u on the closure of the cell S and N is C¹, so the critical points on the sphere are the
eigenvectors of M_S that lie in the closed cell (KH24 App. G.1 cell by cell). A repeated eigenvalue gives
a flat set: the part of its eigenspace in the closed cell. Cells that float64 cannot rule out with a bound
on its error are decided in integers, so the list is complete and holds nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int

from workbench.arrays import Array
from workbench.theory.ncf.candidates import Candidate, Candidates
from workbench.theory.ncf.cell_filter import possible_vectors
from workbench.theory.ncf.certificate import Walls
from workbench.theory.ncf.exact_lines import ExactLines, rounded_lines
from workbench.theory.ncf.flat_sets import FlatPiece, joined, orthonormal
from workbench.theory.ncf.ncf import Ncf
from workbench.theory.ncf.result import FlatExtent, PointKind
from workbench.theory.numerics.arrangement import enumerate_faces
from workbench.theory.numerics.exact_cone import cone
from workbench.theory.numerics.exact_eigen import Spectrum
from workbench.theory.numerics.exact_linear import independent
from workbench.theory.numerics.integers import signs_of, unit_vector
from workbench.theory.numerics.outcome import End, Outcome

CHUNK = 16_384
"""Cells worked on at once."""

IRRATIONAL = "a repeated eigenvalue that is no rational number was not resolved"


@dataclass(frozen=True, eq=False)
class Critical:
    """A critical direction: `along` (d,) integers, `signs` (m,) of the planes at it.

    `cell`: the index of a cell whose closure holds it; `group`: of its eigenvalue there.
    """

    along: Array
    signs: Int[Array, " m"]
    cell: int
    group: list[int]


@dataclass(eq=False)
class CellSearch:
    """The cells of one neuron's data, and what was found in them.

    `unresolved`: why something could not be decided, "" where all was.
    """

    lines: ExactLines
    cells: Int[Array, "C m"]
    points: list[Critical] = field(default_factory=list)
    pieces: list[FlatPiece] = field(default_factory=list)
    unresolved: str = ""
    _index: dict[bytes, int] = field(default_factory=dict)
    _spectra: dict[int, Spectrum] = field(default_factory=dict)
    _seen: dict[bytes, list[Float[Array, " d"]]] = field(default_factory=dict)

    def spectrum(self, cell: int) -> Spectrum:
        """Eigenpairs of a cell's matrix."""
        if cell not in self._spectra:
            self._spectra[cell] = Spectrum(self.lines.matrix(self.cells[cell]))
        return self._spectra[cell]

    def kernel_in_dead_cell(self, cell: int) -> int:
        """Dimension of a kernel of the cell's matrix that meets the closed cell in a closed dead cell only.

        0 where this is not known. ReLU: with the active inputs independent the kernel is where they vanish.
        If there is a cell with all of them inactive and the other signs the same, the closed one holds that
        part of the closed cell, and N = 0 on it.
        """
        signs = self.cells[cell]
        weights = self.lines.weights(signs)
        active = weights != 0
        other = np.where(signs > 0, self.lines.minus, self.lines.plus)[active]
        if self.lines.smooth.any() or other.any() or not active.any():
            return 0
        if not self._index:
            self._index.update({row.tobytes(): i for i, row in enumerate(self.cells)})
        if np.where(active, -signs, signs).tobytes() not in self._index:
            return 0
        rows = self.lines.axis[active]
        free = len(independent(rows)[0]) == len(rows)
        return self.lines.dimension - len(rows) if free else 0

    def examine(self, cell: int, known: int = 0) -> None:
        """Find what the closure of one cell holds; not in a kernel of dimension `known`."""
        spectrum, signs = self.spectrum(cell), self.cells[cell]
        for group in spectrum.groups:
            if known == len(group) and spectrum.vanishes(group):
                continue
            if len(group) > 1:
                self._repeated(cell, spectrum, group)
                continue
            at = spectrum.signs(self.lines.axis, group[0])
            for turn in (1, -1):
                if (turn * at * signs >= 0).all():
                    vector, _ = spectrum.vector(group[0])
                    self._add(Critical(turn * vector, turn * at, cell, group))

    def _repeated(self, cell: int, spectrum: Spectrum, group: list[int]) -> None:
        """An eigenspace of more than one dimension cut with the closed cell."""
        space = spectrum.eigenspace(group)
        if space is None and len(self.lines.axis) == 0:
            space = spectrum.approximate_space(group)
        if space is None:
            self.unresolved = IRRATIONAL
            return
        signs = self.cells[cell].astype(object)
        rows = (self.lines.axis * signs[:, None]).dot(space.T)
        middle, basis = cone(rows)
        if len(basis) == 0:
            return
        point = middle.dot(space)
        if len(basis) > 1:
            value = round(spectrum.value(group[0]))
            self.pieces.append(FlatPiece(point, basis.dot(space), self.cells[cell], value))
            return
        height = self.lines.axis.dot(point)
        at = signs_of(height)
        for turn in (1, -1):
            if (turn * at * self.cells[cell] >= 0).all():
                self._add(Critical(turn * point, turn * at, cell, group))

    def _add(self, point: Critical) -> None:
        """Add a direction unless a cell beside this one has it: two in one face are orthogonal."""
        unit = unit_vector(point.along)
        known = self._seen.setdefault(point.signs.tobytes(), [])
        if all(float(unit @ other) < 0.5 for other in known):
            known.append(unit)
            self.points.append(point)

    def around(self, signs: Int[Array, " m"]) -> list[int]:
        """Cells whose closure holds a face."""
        fixed = np.flatnonzero(signs)
        return np.flatnonzero((self.cells[:, fixed] == signs[fixed]).all(axis=1)).tolist()

    def place(self, cell: int, point: Critical) -> list[int]:
        """The eigenvalue of a cell's matrix that a direction in its closure belongs to.

        N is C¹, so the direction is an eigenvector there too, and one eigenvalue is equal to its value.
        """
        here, there = self.spectrum(cell), self.spectrum(point.cell)
        if here is there:
            return point.group
        while True:
            value, doubt = there.value(point.group[0]), there.error() + here.error()
            near = [g for g in here.groups if abs(here.value(g[0]) - value) <= doubt]
            if len(near) == 1:
                return near[0]
            here.refine()
            there.refine()

    def is_flat(self, point: Critical) -> bool:
        """Whether a direction lies in one of the flat pieces."""
        for piece in self.pieces:
            if ((point.signs == piece.signs) | (point.signs == 0)).all():
                cell = self.around(piece.signs)[0]
                group = self.place(cell, point)
                if len(group) > 1 and round(self.spectrum(cell).value(group[0])) == piece.value:
                    return True
        return False

    def kind_of(self, point: Critical) -> PointKind:
        """Kind of an isolated critical direction u from the second-order change over all tangents h.

        Inside a cell the eigenvalues order it. On walls N changes by hᵀ(M_S − N(u))h in each cell S
        around, a C¹ function of h on the tangent sphere: its extreme values are at eigenvectors of M_S
        in the closed cone of S at u, and none is 0, as u would then be in a flat set.
        """
        if point.signs.all():
            last = self.lines.dimension - 1
            return _kind(point.group[-1] < last, point.group[0] > 0)
        on = np.flatnonzero(point.signs == 0)
        up = down = False
        for cell in self.around(point.signs):
            own = self.place(cell, point)
            for group in self.spectrum(cell).groups:
                higher = group[0] > own[0]
                if group == own or (up if higher else down):
                    continue
                if self._enters(cell, group, on):
                    up, down = up or higher, down or not higher
        return _kind(up, down)

    def _enters(self, cell: int, group: list[int], on: Int[Array, " k"]) -> bool:
        """Whether an eigenspace has a direction, or its opposite, in a cell's cone at planes `on`."""
        spectrum, signs = self.spectrum(cell), self.cells[cell][on]
        rows = self.lines.axis[on]
        if len(group) == 1:
            at = spectrum.signs(rows, group[0]) * signs
            return bool((at >= 0).all() or (at <= 0).all())
        space = spectrum.eigenspace(group)
        if space is None:
            self.unresolved = IRRATIONAL
            return True
        return len(cone((rows * signs[:, None].astype(object)).dot(space.T))[1]) > 0


def _kind(up: bool, down: bool) -> PointKind:
    """From whether N grows, or shrinks, somewhere around."""
    if up:
        return "saddle" if down else "min"
    return "max"


def squared_points(ncf: Ncf, cancel: Callable[[], bool] | None = None) -> Candidates:
    """All KKT points (KH24 eq. (6) for one neuron)."""
    exact = ncf.exact_lines
    if ncf.dimension == 1:
        return Candidates(_on_two_points(exact), Outcome(End.CONVERGED, 2))
    search = CellSearch(exact, enumerate_faces(exact.axis, cells_only=True).signs)
    rounded = rounded_lines(exact)
    end = End.CONVERGED
    for begin in range(0, len(search.cells), CHUNK):
        block = search.cells[begin : begin + CHUNK]
        possible, vanishing = possible_vectors(rounded, block)
        for cell in np.flatnonzero(possible.any(axis=1)):
            if cancel is not None and cancel():
                end = End.CANCELLED
                break
            known = search.kernel_in_dead_cell(begin + int(cell))
            rest = possible[cell] & ~vanishing[cell]
            if not rest.any() and known == int(vanishing[cell].sum()):
                continue
            search.examine(begin + int(cell), known)
    found = _candidates(search)
    if end is End.CONVERGED and search.unresolved:
        end = End.STALLED
    reason = search.unresolved if end is End.STALLED else ""
    return Candidates(found, Outcome(end, len(search.cells), reason=reason))


def _candidates(search: CellSearch) -> list[Candidate]:
    """What was found, flat sets joined and isolated points with their kinds."""
    candidates: list[Candidate] = []
    for group in joined(search.pieces, search.lines.axis):
        extent = FlatExtent("face", None, orthonormal(np.vstack([p.basis for p in group])))
        height = search.lines.axis.dot(group[0].point)
        candidates.append(
            Candidate(unit_vector(group[0].point), "flat", extent, walls=Walls(signs_of(height)))
        )
    for point in search.points:
        if not search.is_flat(point):
            unit = unit_vector(point.along)
            candidates.append(Candidate(unit, search.kind_of(point), walls=Walls(point.signs)))
    return candidates


def _on_two_points(lines: ExactLines) -> list[Candidate]:
    """d = 1: the sphere is {1, −1} and both are critical."""
    up = signs_of(lines.axis[:, 0])
    first, second = lines.matrix(up)[0, 0], lines.matrix(-up)[0, 0]
    kinds: tuple[PointKind, PointKind] = ("max", "min") if first > second else ("min", "max")
    if first == second:
        kinds = ("max", "max")
    ends = ((1.0, up), (-1.0, -up))
    return [
        Candidate(np.array([end]), kind, walls=Walls(signs))
        for (end, signs), kind in zip(ends, kinds, strict=True)
    ]
