"""usage: stock_kafka_python.py BOOTSTRAP < COMMANDS: kafka-python, versions 2 and 3."""

import sys

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError

import contract
from contract import TIMEOUT_S, Record, Refused

# How long a fetch waits at the end of a partition, and so a consumer when it is closed.
FETCH_WAIT_MS = 50


class Client:
    def __init__(self, bootstrap):
        self.bootstrap = bootstrap

    def produce(self, topic, codec, idempotent, records):
        producer = KafkaProducer(
            bootstrap_servers=self.bootstrap,
            compression_type=None if codec == "none" else codec,
            enable_idempotence=idempotent,
            acks="all",
            linger_ms=5,
            # The broker's limit is what is looked at, not the client's.
            max_request_size=8 << 20,
        )
        sent = [
            producer.send(
                topic,
                partition=record.partition,
                timestamp_ms=record.timestamp,
                key=record.key,
                value=record.value,
                headers=record.headers,
            )
            for record in records
        ]
        try:
            for future in sent:
                future.get(TIMEOUT_S)
        except KafkaError as error:
            raise Refused(type(error).__name__) from error
        finally:
            producer.close()

    def consumer(self):
        return KafkaConsumer(bootstrap_servers=self.bootstrap, enable_auto_commit=False, fetch_max_wait_ms=FETCH_WAIT_MS)

    def consume(self, topic, partitions):
        consumer = self.consumer()
        parts = [TopicPartition(topic, partition) for partition in range(partitions)]
        consumer.assign(parts)
        consumer.seek_to_beginning(*parts)
        ends = consumer.end_offsets(parts)
        seen = []
        while any(consumer.position(part) < ends[part] for part in parts):
            for messages in consumer.poll(timeout_ms=TIMEOUT_S * 1000).values():
                for message in messages:
                    place = message.partition, message.timestamp, message.key, message.value, message.headers
                    seen.append(Record(*place, message.offset))
        consumer.close()
        return seen, [ends[part] for part in parts]

    def times(self, topic, partition, timestamps):
        consumer = self.consumer()
        part = TopicPartition(topic, partition)
        found = [consumer.offsets_for_times({part: timestamp})[part] for timestamp in timestamps]
        consumer.close()
        return [-1 if place is None else place.offset for place in found]

    def partitions(self, topic):
        consumer = self.consumer()
        count = len(consumer.partitions_for_topic(topic))
        consumer.close()
        return count


contract.run(Client(sys.argv[1]))
