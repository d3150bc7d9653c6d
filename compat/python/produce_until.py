"""usage: produce_until.py BOOTSTRAP TOPIC error|success PREFIX

Produces records of 64 KiB, one at a time and without retries, until the first error or the first success; prints the
name of every acknowledged record, then `error NAME` if an error was waited for.
"""

import sys
import time

from confluent_kafka import Producer

RECORDS_MAX = 16_384
DEADLINE_S = 60
FILLER = "x" * 65_000

bootstrap, topic, wanted, prefix = sys.argv[1:]
outcomes = []


def main():
    producer = Producer(
        {"bootstrap.servers": bootstrap, "acks": "all", "retries": 0, "linger.ms": 0, "message.timeout.ms": 10_000}
    )
    deadline = time.monotonic() + DEADLINE_S
    for number in range(RECORDS_MAX):
        name = f"{prefix}-{number}"
        producer.produce(topic, key=name, value=FILLER, partition=0, on_delivery=lambda error, _: outcomes.append(error))
        producer.flush(20)
        error = outcomes[-1] if len(outcomes) == number + 1 else None
        assert len(outcomes) == number + 1, "no answer within 20 s"
        if error is None:
            print(name)
        if (error is None) == (wanted == "success"):
            if error is not None:
                print("error", error.name())
            return
        if time.monotonic() > deadline:
            break
    sys.exit(f"no {wanted} came")


main()
