"""usage: delete_records.py BOOTSTRAP TOPIC PARTITION OFFSET

Deletes the records of a partition below an offset, and prints where its log starts then. Fails if the broker goes away
meanwhile.
"""

import sys

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

TIMEOUT_S = 20

bootstrap, topic, partition, offset = sys.argv[1:]
admin = AdminClient({"bootstrap.servers": bootstrap})
place = TopicPartition(topic, int(partition), int(offset))
print(admin.delete_records([place], request_timeout=TIMEOUT_S)[place].result(timeout=TIMEOUT_S).low_watermark)
