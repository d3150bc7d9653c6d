"""The bank's ledger, read with confluent-kafka at an isolation level, up to where it ends."""

import sys
import threading
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

TOPIC = "ledger"
PARTITIONS = range(4)
POLL_S = 0.1
TIMEOUT_S = 10
# The broker is killed every now and then.
PATIENCE_S = 60
PAUSE_S = 0.05

# Of every client here.
SETTINGS = {
    # Else librdkafka 2.16 forgets the broker when it is away, and may wait for the forgotten one for ever when it sends
    # offsets to a transaction.
    "metadata.recovery.strategy": "none",
    "reconnect.backoff.ms": 10,
    "reconnect.backoff.max.ms": 200,
    "auto.offset.reset": "earliest",
    "enable.auto.commit": False,
}


def end_of_input():
    """An event: standard input has ended."""
    closing = threading.Event()

    def wait():
        sys.stdin.read()
        closing.set()

    threading.Thread(target=wait, daemon=True).start()
    return closing


class Ledger:
    def __init__(self, bootstrap, isolation):
        self.settings = SETTINGS | {"bootstrap.servers": bootstrap, "group.id": "none"}
        # The name of an isolation level binds answers about ends too, so who asks where the end is has its own client.
        self.uncommitted = Consumer(self.settings | {"isolation.level": "read_uncommitted"})
        self.isolation = isolation
        self.positions = {partition: 0 for partition in PARTITIONS}
        self.consumer = None

    def open(self):
        settings = self.settings | {"isolation.level": self.isolation, "enable.partition.eof": True}
        self.consumer = Consumer(settings)
        self.consumer.assign([TopicPartition(TOPIC, partition, at) for partition, at in self.positions.items()])

    def close(self):
        self.consumer.close()
        self.consumer = None

    def ends(self):
        """Where each partition ends now: beyond every transaction that is open now."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return {partition: self.end(partition) for partition in PARTITIONS}
            except KafkaException:
                if time.monotonic() > deadline:
                    raise
                time.sleep(PAUSE_S)

    def end(self, partition):
        return self.uncommitted.get_watermark_offsets(TopicPartition(TOPIC, partition), timeout=TIMEOUT_S)[1]

    def read_to(self, ends, entry):
        """Gives each record to `entry`, until every partition was read up to there."""
        while any(self.positions[partition] < end for partition, end in ends.items()):
            self.read(entry)

    def read(self, entry):
        message = self.consumer.poll(POLL_S)
        if message is None:
            return
        if message.error() is None:
            self.positions[message.partition()] = message.offset() + 1
            entry(message)
        elif message.error().code() == KafkaError._PARTITION_EOF:
            # Beyond markers and aborted records, which are not given out.
            self.positions[message.partition()] = message.offset()
