"""usage: create_topic.py BOOTSTRAP TOPIC PARTITIONS"""

import sys

from confluent_kafka.admin import AdminClient, NewTopic

bootstrap, topic, partitions = sys.argv[1:]
admin = AdminClient({"bootstrap.servers": bootstrap})
admin.create_topics([NewTopic(topic, num_partitions=int(partitions))])[topic].result(timeout=30)
