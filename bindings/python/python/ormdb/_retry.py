"""When a transaction runs again that could not run beside others."""

from __future__ import annotations

import random

from .errors import Deadlock, Error, SerializationConflict

#: How often a transaction is run again, unless it is told otherwise.
RETRIES_MAX = 32
_PAUSE_MIN_S = 0.001
_PAUSE_MAX_S = 0.1


def pause_s(error: Error, retries: int, retries_max: int) -> float | None:
    """The pause before another run; `None` where another run would meet the error again, or was tried often enough.

    A lost connection is no reason: the transaction may have been committed.
    """
    if not isinstance(error, (SerializationConflict, Deadlock)) or retries >= retries_max:
        return None
    longest = min(_PAUSE_MIN_S * float(1 << min(retries, 20)), _PAUSE_MAX_S)
    return longest * random.uniform(0.5, 1.0)
