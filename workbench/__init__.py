"""Watch homogeneous neural networks learn, stop near a saddle, look inside, and go on."""

from __future__ import annotations

__version__ = "0.1.0"
