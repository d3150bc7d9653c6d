"""usage: create_topic.py BOOTSTRAP TOPIC PARTITIONS

Creates a topic and waits until the broker shows it: Apache Kafka may answer before it does.
"""

import sys
import time

from confluent_kafka.admin import AdminClient, NewTopic

bootstrap, topic, partitions = sys.argv[1:]
admin = AdminClient({"bootstrap.servers": bootstrap})
admin.create_topics([NewTopic(topic, num_partitions=int(partitions))])[topic].result(timeout=30)
deadline = time.monotonic() + 30
while topic not in admin.list_topics(timeout=30).topics:
    assert time.monotonic() < deadline, f"{topic} was created and is not there"
