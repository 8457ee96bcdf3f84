"""Patterns with torch, on the CPU or a CUDA device: the same sums as patterns_numba, over whole batches."""

import numpy as np
import torch
from numpy.typing import NDArray

from simulate.volume import SPLINE_MARGIN

FloatArray = NDArray[np.float32]


def slice_field(field: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """F at points (..., 3) in voxels, by quadratic B-splines from the half grid (nx, n, n); complex64 (...)."""
    n = field.shape[1]
    sign = torch.where(points[..., :1] >= 0, 1.0, -1.0)  # the half qx < 0 is not stored: F(−q) = F(q)*
    points = points * sign + torch.tensor([SPLINE_MARGIN, n // 2, n // 2], device=points.device)
    nearest = torch.floor(points + 0.5)
    t = points - nearest
    weights = torch.stack([0.5 * (0.5 - t) ** 2, 0.75 - t**2, 0.5 * (0.5 + t) ** 2])  # (3 nodes, ..., 3 axes)
    node = nearest.to(torch.int64) - 1
    corner = (node[..., 0] * n + node[..., 1]) * n + node[..., 2]
    flat = field.reshape(-1)
    total = torch.zeros(points.shape[:-1], dtype=torch.complex64, device=points.device)
    for a in range(3):
        for b in range(3):
            for c in range(3):
                weight = weights[a, ..., 0] * weights[b, ..., 1] * weights[c, ..., 2]
                total += weight * flat[corner + (a * n + b) * n + c]
    return torch.where(sign[..., 0] > 0, total, total.conj())


def render_on_device(
    field: torch.Tensor,
    spacing: float,
    rotations: torch.Tensor,
    positions: torch.Tensor,
    q: torch.Tensor,
    q_step_x: torch.Tensor,
    q_step_y: torch.Tensor,
    photons_per_electron2: torch.Tensor,
    fluence: torch.Tensor,
) -> torch.Tensor:
    """See `patterns.expected_photons`; tensors on one device, pixels flat. (n_shots, n_pixels) float32."""
    fields: list[torch.Tensor] = []
    total = torch.zeros((len(rotations), len(q)), device=q.device)
    for a in range(rotations.shape[1]):
        values = slice_field(field, (q / spacing) @ rotations[:, a])  # q Rᵀ⁻¹ = Rᵀ q, row by row
        if rotations.shape[1] > 1:
            # Whole turns are dropped in float64 before the float32 phase: q·d reaches hundreds of radians.
            turns = (positions[:, a].double() / (2 * torch.pi)) @ q.double().T
            phase = (2 * torch.pi * (turns - torch.round(turns))).float()
            values = values * torch.polar(torch.ones_like(phase), phase)
        total += values.real**2 + values.imag**2
        for b, other in enumerate(fields):
            d = (positions[:, a] - positions[:, b]) / (2 * torch.pi)  # torch.sinc(x) = sin(πx)/(πx)
            blur = torch.sinc(d @ q_step_x.T) * torch.sinc(d @ q_step_y.T)
            total += 2 * blur * (values * other.conj()).real
        fields.append(values)
    return (total * photons_per_electron2 * fluence[:, None]).clamp_(min=0)


def render(
    field: NDArray[np.complex64],
    spacing: float,
    rotations: FloatArray,
    positions: FloatArray,
    q: FloatArray,
    q_step_x: FloatArray,
    q_step_y: FloatArray,
    photons_per_electron2: FloatArray,
    fluence: FloatArray,
    device: str | None = None,
) -> FloatArray:
    """`render_on_device` for numpy arrays, in batches that stay near 64 shots of 128x128 pixels."""

    device = device or ("cuda" if torch.cuda.is_available() else "cpu")

    def on(array: NDArray) -> torch.Tensor:
        return torch.as_tensor(array, device=device)

    constant = on(field), spacing
    pixels = on(q), on(q_step_x), on(q_step_y), on(photons_per_electron2)
    batch = max(1, 2**20 // len(q))
    parts = [
        render_on_device(
            *constant, on(rotations[i : i + batch]), on(positions[i : i + batch]), *pixels, on(fluence[i : i + batch])
        )
        for i in range(0, len(rotations), batch)
    ]
    return torch.cat(parts).cpu().numpy()
