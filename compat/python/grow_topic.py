"""usage: grow_topic.py BOOTSTRAP TOPIC PARTITIONS

Adds partitions to a topic, up to a count, and waits until the broker shows them: Apache Kafka may answer before it does.
"""

import sys
import time

from confluent_kafka.admin import AdminClient, NewPartitions

TIMEOUT_S = 60

bootstrap, topic, partitions = sys.argv[1], sys.argv[2], int(sys.argv[3])
admin = AdminClient({"bootstrap.servers": bootstrap})
grown = admin.create_partitions([NewPartitions(topic, partitions)], request_timeout=TIMEOUT_S)
grown[topic].result(timeout=TIMEOUT_S)
deadline = time.monotonic() + TIMEOUT_S
while len(admin.list_topics(topic, timeout=TIMEOUT_S).topics[topic].partitions) < partitions:
    assert time.monotonic() < deadline, f"{topic} was grown and is not"
