"""usage: bank_auditor.py BOOTSTRAP ISOLATION, until its standard input ends.

The contract of compat/src/scenario/bank.rs.
"""

import sys

from bank_ledger import Ledger, end_of_input

closing = end_of_input()
ledger = Ledger(*sys.argv[1:])
ledger.open()


def tell(message):
    print("entry", message.value().decode())


while True:
    last = closing.is_set()
    ends = ledger.ends()
    print("ends")
    ledger.read_to(ends, tell)
    print("reached", flush=True)
    if last:
        break
    # Until there is more, or for a while.
    ledger.read(tell)
