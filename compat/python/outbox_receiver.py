"""usage: outbox_receiver.py BOOTSTRAP FILE, until its standard input ends: applies each notification once.

The contract of compat/src/scenario/outbox.rs. May be killed and started again.
"""

import sqlite3
import sys
import threading

from confluent_kafka import Consumer, KafkaException

TOPIC = "notifications"
AT_ONCE = 20
# Rarely, so that one who is killed is given again what it has applied already.
COMMIT_EVERY = 1_000
POLL_S = 0.1

bootstrap, file = sys.argv[1:]
closing = threading.Event()


def wait_for_end_of_input():
    sys.stdin.read()
    closing.set()


threading.Thread(target=wait_for_end_of_input, daemon=True).start()
store = sqlite3.connect(file, isolation_level=None)
store.execute("PRAGMA journal_mode = WAL")
store.execute("CREATE TABLE IF NOT EXISTS seen (id INTEGER PRIMARY KEY)")
# Without a key: what is applied twice stands there twice.
store.execute("CREATE TABLE IF NOT EXISTS effects (id INTEGER, account INTEGER, amount INTEGER)")
(applied,) = store.execute("SELECT count(*) FROM effects").fetchone()
again = 0
uncommitted = 0
consumer = Consumer({
    "bootstrap.servers": bootstrap,
    "group.id": "receiver",
    # Its next life takes the place of one that was killed.
    "group.instance.id": "receiver",
    "auto.offset.reset": "earliest",
    "enable.auto.commit": False,
    "reconnect.backoff.ms": 10,
    "reconnect.backoff.max.ms": 100,
})
consumer.subscribe([TOPIC])
while not closing.is_set():
    messages = [message for message in consumer.consume(AT_ONCE, POLL_S) if message.error() is None]
    if not messages:
        continue
    store.execute("BEGIN")
    for message in messages:
        number, account, amount = map(int, message.value().split())
        # That it was seen and what it does: both or neither.
        if store.execute("INSERT OR IGNORE INTO seen VALUES (?)", (number,)).rowcount == 1:
            store.execute("INSERT INTO effects VALUES (?, ?, ?)", (number, account, amount))
            applied += 1
        else:
            again += 1
    store.execute("COMMIT")
    print("applied", applied, again, flush=True)
    uncommitted += len(messages)
    if uncommitted >= COMMIT_EVERY:
        try:
            consumer.commit(asynchronous=False)
            uncommitted = 0
        except KafkaException as error:
            # A broker that is away, or another generation: what is given again was seen.
            print(error, file=sys.stderr)
consumer.close()
