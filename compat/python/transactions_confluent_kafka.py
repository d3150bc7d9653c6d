"""usage: transactions_confluent_kafka.py BOOTSTRAP < COMMANDS: librdkafka, through confluent-kafka.

compat/src/scenario/transactions.rs tells the contract.
"""

import sys

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

TIMEOUT_S = 60
POLL_S = 1
PARTITIONS = range(3)


class Client:
    def __init__(self, bootstrap):
        self.common = {"bootstrap.servers": bootstrap}
        self.producers = {}
        self.consumers = {}

    def init(self, name, transactional_id, timeout_ms, _group, _topic):
        settings = {"transactional.id": transactional_id, "transaction.timeout.ms": int(timeout_ms), "linger.ms": 0}
        self.producers[name] = Producer(self.common | settings)
        self.producers[name].init_transactions(TIMEOUT_S)

    def begin(self, name):
        self.producers[name].begin_transaction()

    def send(self, name, topic, partition, value):
        errors = []
        producer = self.producers[name]
        producer.produce(topic, value, partition=int(partition), on_delivery=lambda error, _: errors.append(error))
        assert producer.flush(TIMEOUT_S) == 0, "the record was not answered"
        if errors[0] is not None:
            raise KafkaException(errors[0])

    def offsets(self, name, group, topic, offset):
        places = [TopicPartition(topic, partition, int(offset)) for partition in PARTITIONS]
        if group not in self.consumers:
            self.consumers[group] = self.consumer(group, "read_committed")
            self.consumers[group].subscribe([topic])
        consumer = self.consumers[group]
        while len(consumer.assignment()) < len(places) or any(at.offset < int(offset) for at in consumer.position(places)):
            consumer.poll(POLL_S)
        self.producers[name].send_offsets_to_transaction(places, consumer.consumer_group_metadata(), TIMEOUT_S)

    def commit(self, name):
        self.producers[name].commit_transaction(TIMEOUT_S)

    def abort(self, name):
        self.producers[name].abort_transaction(TIMEOUT_S)

    def consumer(self, group, isolation):
        settings = {
            "group.id": group,
            "isolation.level": isolation,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "check.crcs": True,
        }
        return Consumer(self.common | settings)

    def read(self, topic, isolation, last):
        consumer = self.consumer("none", f"read_{isolation}")
        consumer.assign([TopicPartition(topic, partition, 0) for partition in PARTITIONS])
        seen = {partition: [] for partition in PARTITIONS}
        while any(last not in values for values in seen.values()):
            message = consumer.poll(POLL_S)
            if message is not None and message.error() is None:
                seen[message.partition()].append(message.value().decode())
        consumer.close()
        for partition, values in seen.items():
            print(partition, *values)


client = Client(sys.argv[1])
for line in sys.stdin:
    word, *rest = line.split()
    try:
        getattr(client, word)(*rest)
        print("ok", flush=True)
    except KafkaException as error:
        print("error", error.args[0].name(), flush=True)
