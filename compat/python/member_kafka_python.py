"""usage: member_kafka_python.py BOOTSTRAP GROUP TOPIC, until its input ends: kafka-python."""

import sys

from kafka import ConsumerRebalanceListener, KafkaConsumer
from kafka.errors import KafkaError

from member import POLL_S, SETTINGS, closing, say, topic


class Listener(ConsumerRebalanceListener):
    def on_partitions_assigned(self, assigned):
        say("assigned", *(part.partition for part in assigned))

    def on_partitions_revoked(self, revoked):
        say("revoked", *(part.partition for part in revoked))


consumer = KafkaConsumer(**SETTINGS)
consumer.subscribe([topic], listener=Listener())
while not closing.is_set():
    try:
        following = {}
        for part, records in consumer.poll(timeout_ms=int(POLL_S * 1000)).items():
            for record in records:
                say("record", record.partition, record.offset)
                following[part.partition] = record.offset + 1
        if following:
            # What was delivered so far, which is the position of each partition.
            consumer.commit()
            for partition, offset in following.items():
                say("committed", partition, offset)
    except KafkaError as error:
        # Another generation, or a broker that is away: the client goes on by itself.
        print(error, file=sys.stderr)
consumer.close()
say("left")
