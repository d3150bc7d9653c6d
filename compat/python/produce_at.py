"""usage: produce_at.py BOOTSTRAP TOPIC PARTITION TIMESTAMP_MS...

Produces one record for each timestamp, in this order, and waits until all are acknowledged.
"""

import sys

from confluent_kafka import Producer

bootstrap, topic, partition, *timestamps = sys.argv[1:]
failed = []


def delivered(error, _):
    if error is not None:
        failed.append(error)


producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True})
for timestamp in timestamps:
    producer.produce(topic, value=timestamp, partition=int(partition), timestamp=int(timestamp), on_delivery=delivered)
left = producer.flush(30)
if failed or left:
    sys.exit(f"{failed}, {left} unanswered")
