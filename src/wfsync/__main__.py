"""The process: ``python -m wfsync`` and the ``wfsync`` program."""

import gc
import signal
import sys
from typing import NoReturn

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # until `Signals` stands, Ctrl-C ends us as it ends any program
gc.disable()  # a short life with few cycles: collecting costs a tenth of the start, and doubles a large plan's time

from wfsync.cli.interruption import Signals, Terminated  # noqa: E402 - the imports are what makes garbage


def run() -> NoReturn:
    """Run one command and end the process with its exit code, whenever a signal comes."""
    signals = Signals()
    signals.catch()  # before the imports, which take longest
    try:
        from wfsync.cli.main import main

        code = main(signals=signals)
    except (KeyboardInterrupt, Terminated) as stop:  # before the command had begun, or once more while it was ending
        code = signals.exit_code(stop)
        sys.stderr.write(f"wfsync: stopped; {signals.state}\n")
    signals.ignore()
    sys.exit(code)


if __name__ == "__main__":
    run()
