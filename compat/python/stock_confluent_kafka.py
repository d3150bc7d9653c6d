"""usage: stock_confluent_kafka.py BOOTSTRAP < COMMANDS: librdkafka, through confluent-kafka."""

import sys

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

import contract
from contract import TIMEOUT_S, Record, Refused


class Client:
    def __init__(self, bootstrap):
        self.common = {"bootstrap.servers": bootstrap}

    def produce(self, topic, codec, idempotent, records):
        errors = []
        settings = {
            "compression.type": codec,
            "enable.idempotence": idempotent,
            # The broker's limit is what is looked at, not the client's.
            "message.max.bytes": 8 << 20,
            "message.timeout.ms": TIMEOUT_S * 1000,
        }
        producer = Producer(self.common | settings)
        for record in records:
            producer.produce(
                topic,
                partition=record.partition,
                timestamp=record.timestamp,
                key=record.key,
                value=record.value,
                headers=record.headers,
                on_delivery=lambda error, _: errors.append(error),
            )
        assert producer.flush(TIMEOUT_S) == 0, "records were not answered"
        for error in filter(None, errors):
            raise Refused(error.name())

    def consumer(self):
        return Consumer(self.common | {"group.id": "none", "enable.auto.commit": False, "check.crcs": True})

    def consume(self, topic, partitions):
        consumer = self.consumer()
        parts = [TopicPartition(topic, partition, 0) for partition in range(partitions)]
        ends = [consumer.get_watermark_offsets(part, TIMEOUT_S)[1] for part in parts]
        consumer.assign(parts)
        seen = []
        while len(seen) < sum(ends):
            message = consumer.poll(TIMEOUT_S)
            assert message is not None and message.error() is None, message and message.error()
            timestamp = message.timestamp()[1]
            headers = message.headers() or []
            place = message.partition(), timestamp, message.key(), message.value(), headers, message.offset()
            seen.append(Record(*place))
        consumer.close()
        return seen, ends

    def times(self, topic, partition, timestamps):
        consumer = self.consumer()
        found = []
        for timestamp in timestamps:
            wanted = [TopicPartition(topic, partition, timestamp)]
            found += consumer.offsets_for_times(wanted, timeout=TIMEOUT_S)
        consumer.close()
        return [part.offset for part in found]

    def partitions(self, topic):
        return len(AdminClient(self.common).list_topics(topic, timeout=TIMEOUT_S).topics[topic].partitions)


contract.run(Client(sys.argv[1]))
