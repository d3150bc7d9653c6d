"""usage: crash_producer.py BOOTSTRAP TOPIC PARTITIONS PER_SECOND

Produces numbered records with an idempotent producer, so many a second (0: as fast as it may), to partitions in turn; prints
`PARTITION NUMBER OFFSET` for each acknowledged one. Ends when standard input does, after all are acknowledged, with
`end`. Any record that fails ends it with an error.
"""

import sys
import threading
import time

from confluent_kafka import Producer

IN_FLIGHT_MAX = 5_000
FLUSH_TIMEOUT_S = 120
FILLER = "x" * 200

bootstrap, topic, partitions, per_second = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
stopped = threading.Event()
failed = []


def wait_for_end_of_input():
    sys.stdin.read()
    stopped.set()


def delivered(error, message):
    if error is not None:
        failed.append(error)
        return
    number = message.value().split(b" ", 1)[0].decode()
    sys.stdout.write(f"{message.partition()} {number} {message.offset()}\n")


def main():
    threading.Thread(target=wait_for_end_of_input, daemon=True).start()
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "enable.idempotence": True,
            "linger.ms": 2,
            "message.timeout.ms": FLUSH_TIMEOUT_S * 1000,
            "reconnect.backoff.ms": 10,
            "reconnect.backoff.max.ms": 100,
            "retry.backoff.ms": 20,
        },
        logger=None,
    )
    number = 0
    start = time.monotonic()
    while not stopped.is_set() and not failed:
        is_early = per_second and number >= (time.monotonic() - start) * per_second
        if is_early or len(producer) >= IN_FLIGHT_MAX:
            producer.poll(0.01)
            sys.stdout.flush()
            continue
        value = f"{number // partitions} {FILLER}"
        producer.produce(topic, value=value, partition=number % partitions, on_delivery=delivered)
        producer.poll(0)
        number += 1
        if number % 64 == 0:
            sys.stdout.flush()
    left = producer.flush(FLUSH_TIMEOUT_S)
    if failed or left:
        sys.exit(f"{len(failed)} records failed, {left} unanswered: {failed[:1]}")
    print("end", flush=True)


main()
