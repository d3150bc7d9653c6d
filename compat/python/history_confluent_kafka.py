"""usage: history_confluent_kafka.py BOOTSTRAP < COMMANDS: librdkafka, through confluent-kafka.

compat/src/scenario/history.rs tells the contract.
"""

import os
import sys

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

POLLED_MAX = 100


class Client:
    def __init__(self, bootstrap):
        self.common = {
            "bootstrap.servers": bootstrap,
            "reconnect.backoff.max.ms": 200,
            # Else, once its only broker was away, it may send offsets by a connection that it has given up, and wait
            # for ever.
            "metadata.recovery.strategy": "none",
        }

    def open(self, transactional_id, timeout_ms, request_timeout_ms, group):
        # librdkafka wants both below the transaction's own time.
        self.timeout_s = 3 * int(request_timeout_ms) / 1000
        times = {"socket.timeout.ms": int(request_timeout_ms), "message.timeout.ms": int(timeout_ms)}
        producing = self.common | times | {"enable.idempotence": True, "linger.ms": 0}
        self.plain = Producer(producing)
        transactional = {"transactional.id": transactional_id, "transaction.timeout.ms": int(timeout_ms)}
        self.transactional = Producer(producing | transactional)
        self.consumer = Consumer(
            self.common
            | {
                "group.id": group,
                "session.timeout.ms": 6000,
                "heartbeat.interval.ms": 500,
                "max.poll.interval.ms": 20000,
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 100,
                "check.crcs": True,
            }
        )
        self.transactional.init_transactions(self.timeout_s)

    def assign(self, *places):
        self.consumer.assign([place(word) for word in places])

    def subscribe(self, *topics):
        # With these, a member is what it was until it polls again.
        self.consumer.subscribe(list(topics), on_assign=self.changed, on_revoke=self.changed, on_lost=self.changed)

    def changed(self, *_):
        self.has_changed = True

    def consumed(self, *places):
        for part in self.consumer.commit(offsets=[place(word) for word in places], asynchronous=False):
            if part.error is not None:
                raise KafkaException(part.error)

    def rewind(self):
        for part in self.consumer.committed(self.consumer.assignment(), self.timeout_s):
            self.consumer.seek(TopicPartition(part.topic, part.partition, max(part.offset, 0)))

    def send(self, partition, value):
        deliver(self.plain, partition, value, self.timeout_s)

    def poll(self, patience_ms):
        self.has_changed = False
        messages = self.consumer.consume(POLLED_MAX, int(patience_ms) / 1000)
        # What came before a change may be of partitions that others have now.
        for message in [] if self.has_changed else messages:
            # Errors tell of a broker that is away: the client goes on by itself.
            if message.error() is None:
                print(f"{message.topic()}-{message.partition()}", message.offset(), message.value().decode())

    def begin(self):
        self.transactional.begin_transaction()

    def put(self, partition, value):
        deliver(self.transactional, partition, value, self.timeout_s)

    def offsets(self, *places):
        metadata = self.consumer.consumer_group_metadata()
        self.transactional.send_offsets_to_transaction([place(word) for word in places], metadata, self.timeout_s)

    def commit(self):
        self.transactional.commit_transaction(self.timeout_s)

    def abort(self):
        self.transactional.abort_transaction(self.timeout_s)


def place(word):
    """PARTITION:OFFSET, or PARTITION alone."""
    partition, _, offset = word.partition(":")
    topic, number = partition.rsplit("-", 1)
    return TopicPartition(topic, int(number), int(offset)) if offset else TopicPartition(topic, int(number))


def deliver(producer, partition, value, timeout_s):
    reports = []
    to = place(partition)
    producer.produce(to.topic, value, partition=to.partition, on_delivery=lambda *report: reports.append(report))
    producer.flush(timeout_s)
    if not reports:
        raise TimeoutError
    error, message = reports[0]
    if error is not None:
        raise KafkaException(error)
    print(message.offset())


client = Client(sys.argv[1])
for line in sys.stdin:
    word, *rest = line.split()
    try:
        getattr(client, word)(*rest)
        print("ok", flush=True)
    except KafkaException as error:
        print("error", error.args[0].name(), flush=True)
    except TimeoutError:
        print("error timeout", flush=True)
sys.stdout.flush()
# Whatever is open is left open, as by a client that dies.
os._exit(0)
