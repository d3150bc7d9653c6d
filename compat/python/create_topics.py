"""usage: create_topics.py BOOTSTRAP TOPIC PARTITIONS [KEY=VALUE...] [, TOPIC PARTITIONS [KEY=VALUE...]]...

Creates topics and waits until the broker shows them with all their partitions: Apache Kafka may answer before it does.
"""

import sys
import time

from confluent_kafka.admin import AdminClient, NewTopic

TIMEOUT_S = 60

bootstrap, *words = sys.argv[1:]
admin = AdminClient({"bootstrap.servers": bootstrap})
topics = []
for described in " ".join(words).split(" , "):
    name, partitions, *config = described.split()
    topics.append(NewTopic(name, num_partitions=int(partitions), config=dict(pair.split("=", 1) for pair in config)))


def shown():
    there = admin.list_topics(timeout=TIMEOUT_S).topics
    return all(topic.topic in there and len(there[topic.topic].partitions) == topic.num_partitions for topic in topics)


for created in admin.create_topics(topics, request_timeout=TIMEOUT_S).values():
    created.result(timeout=TIMEOUT_S)
deadline = time.monotonic() + TIMEOUT_S
while not shown():
    assert time.monotonic() < deadline, f"{words} were created and are not there"
