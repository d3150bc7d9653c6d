"""usage: outbox_sender.py BOOTSTRAP FILE CHANGES: makes so many changes and sends a notification of each.

The contract of compat/src/scenario/outbox.rs. Ends when all are made and acknowledged; may be killed and started again.
"""

import random
import sqlite3
import sys

from confluent_kafka import Producer

TOPIC = "notifications"
ACCOUNTS = 30
AMOUNT_MAX = 1_000
# Changes between two looks at the outbox, notifications in flight, acknowledgements that are noted at once.
CHANGES_AT_ONCE = 10
IN_FLIGHT_MAX = 200
NOTED_AT_ONCE = 50
POLL_S = 0.01
TIMEOUT_MS = 120_000


class Sender:
    def __init__(self, bootstrap, file, changes):
        self.changes = int(changes)
        self.store = sqlite3.connect(file, isolation_level=None)
        self.store.execute("PRAGMA journal_mode = WAL")
        self.store.execute("CREATE TABLE IF NOT EXISTS payments (id INTEGER PRIMARY KEY, account INTEGER, amount INTEGER)")
        self.store.execute("CREATE TABLE IF NOT EXISTS outbox (id INTEGER PRIMARY KEY, account INTEGER, amount INTEGER)")
        (self.made,) = self.store.execute("SELECT count(*) FROM payments").fetchone()
        # The last that this life has sent: a new life sends again all that is still there.
        self.sent = 0
        self.acknowledged = []
        self.in_flight = 0
        settings = {
            "bootstrap.servers": bootstrap,
            "enable.idempotence": True,
            "linger.ms": 2,
            "message.timeout.ms": TIMEOUT_MS,
            "reconnect.backoff.ms": 10,
            "reconnect.backoff.max.ms": 100,
        }
        self.producer = Producer(settings)

    def run(self):
        while self.made < self.changes or self.in_flight > 0 or self.waiting():
            self.make()
            self.send()
            self.producer.poll(POLL_S if self.in_flight >= IN_FLIGHT_MAX or self.made == self.changes else 0)
            if len(self.acknowledged) >= NOTED_AT_ONCE or self.in_flight == 0:
                self.note()

    def waiting(self):
        return self.store.execute("SELECT 1 FROM outbox LIMIT 1").fetchone() is not None

    def make(self):
        """The change and its notification: both or neither."""
        for number in range(self.made + 1, min(self.made + CHANGES_AT_ONCE, self.changes) + 1):
            payment = (number, random.randrange(ACCOUNTS), random.randint(1, AMOUNT_MAX))
            self.store.execute("BEGIN")
            self.store.execute("INSERT INTO payments VALUES (?, ?, ?)", payment)
            self.store.execute("INSERT INTO outbox VALUES (?, ?, ?)", payment)
            self.store.execute("COMMIT")
            self.made = number

    def send(self):
        room = IN_FLIGHT_MAX - self.in_flight
        waiting = self.store.execute("SELECT * FROM outbox WHERE id > ? ORDER BY id LIMIT ?", (self.sent, room))
        for number, account, amount in waiting.fetchall():
            value = f"{number} {account} {amount}"
            self.producer.produce(TOPIC, value, str(account), on_delivery=self.delivered(number))
            self.sent = number
            self.in_flight += 1

    def delivered(self, number):
        def told(error, _):
            if error is not None:
                # The next life sends it again.
                sys.exit(f"{number}: {error}")
            self.acknowledged.append((number,))
            self.in_flight -= 1

        return told

    def note(self):
        """What was acknowledged needs not be sent again."""
        self.store.execute("BEGIN")
        self.store.executemany("DELETE FROM outbox WHERE id = ?", self.acknowledged)
        self.store.execute("COMMIT")
        self.acknowledged = []


Sender(*sys.argv[1:]).run()
