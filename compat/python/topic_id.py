"""usage: topic_id.py BOOTSTRAP TOPIC: the topic's id as other programs than Kafka's write it."""

import sys
import uuid

from confluent_kafka import TopicCollection
from confluent_kafka.admin import AdminClient

TIMEOUT_S = 60
HALF = (1 << 64) - 1

bootstrap, topic = sys.argv[1:]
admin = AdminClient({"bootstrap.servers": bootstrap})
described = admin.describe_topics(TopicCollection([topic]), request_timeout=TIMEOUT_S)
number = described[topic].result(timeout=TIMEOUT_S).topic_id
high, low = number.get_most_significant_bits() & HALF, number.get_least_significant_bits() & HALF
print(uuid.UUID(int=high << 64 | low))
