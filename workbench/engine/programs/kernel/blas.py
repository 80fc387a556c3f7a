"""BLAS inside compiled code, in one thread.

numba's products of matrices are those of SciPy's BLAS. With another number of threads it sums in another
order (measured: other last bits in 173 of 200 products), and a run would depend on the machine's cores.
"""

from __future__ import annotations

import scipy.linalg.cython_blas
from threadpoolctl import ThreadpoolController

assert scipy.linalg.cython_blas  # what is loaded here is what compiled code calls


def in_one_thread() -> None:
    """From now on this process's products in compiled code take one thread each, as many run at a time.

    NumPy's own BLAS is another library in its wheels, and left alone; where both share one, that is set.
    """
    found = [lib for lib in ThreadpoolController().lib_controllers if lib.user_api == "blas"]
    own = [lib for lib in found if "scipy" in lib.filepath]
    for library in own or found:
        library.set_num_threads(1)
