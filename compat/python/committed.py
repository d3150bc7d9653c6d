"""usage: committed.py BOOTSTRAP GROUP TOPIC PARTITIONS: the committed offset of each partition, one a line."""

import sys
import time

from confluent_kafka import Consumer, KafkaException, TopicPartition

# A broker that has just started may say for a while that its coordinators are not there yet.
PATIENCE_S = 60
PAUSE_S = 0.2
TIMEOUT_S = 30

bootstrap, group, topic, partitions = sys.argv[1:]
parts = [TopicPartition(topic, at) for at in range(int(partitions))]


def committed():
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group})
    try:
        return consumer.committed(parts, timeout=TIMEOUT_S)
    finally:
        consumer.close()


def committed_in_time():
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return committed()
        except KafkaException:
            if time.monotonic() > deadline:
                raise
            time.sleep(PAUSE_S)


for part in committed_in_time():
    if part.error is not None:
        sys.exit(str(part.error))
    print(part.offset)
