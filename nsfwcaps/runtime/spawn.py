"""New processes that do not run the user's script again."""

from __future__ import annotations

import sys
import threading
from multiprocessing.process import BaseProcess

_STARTING = threading.Lock()


def spawn(process: BaseProcess) -> None:
    """Start a process of the context `spawn` that leaves `__main__` of this one alone.

    Python runs the script of the first process in each new one, for functions that were defined
    there. A script without `if __name__ == "__main__"` would do its work again, and one from
    standard input is no file. Python finds the script by two names, which are hidden meanwhile.
    """
    main = vars(sys.modules["__main__"])
    with _STARTING:
        names: list[str] = ["__file__", "__spec__"]
        hidden = {name: main.pop(name) for name in names if name in main}
        main["__spec__"] = None
        try:
            process.start()
        finally:
            main.update(hidden)
