"""usage: member_confluent_kafka.py BOOTSTRAP GROUP TOPIC classic|consumer [SETTING=VALUE..], until its input ends:
librdkafka, through confluent-kafka. A topic that begins with ^ is a pattern."""

import sys

from confluent_kafka import Consumer, KafkaException, TopicPartition

from member import HEARTBEAT_INTERVAL_MS, POLL_S, SESSION_TIMEOUT_MS, bootstrap, closing, group, say, topic


def told(word):
    return lambda _, partitions: say(word, *(part.partition for part in partitions))


protocol = sys.argv[4]
# The newer protocol leaves these to the broker.
TIMES = {"session.timeout.ms": SESSION_TIMEOUT_MS, "heartbeat.interval.ms": HEARTBEAT_INTERVAL_MS}
consumer = Consumer({
    "bootstrap.servers": bootstrap,
    "group.id": group,
    "group.protocol": protocol,
    **(TIMES if protocol == "classic" else {}),
    "auto.offset.reset": "earliest",
    "enable.auto.commit": False,
    **dict(word.split("=") for word in sys.argv[5:]),
})
consumer.subscribe([topic], on_assign=told("assigned"), on_revoke=told("revoked"), on_lost=told("revoked"))
while not closing.is_set():
    following = {}
    for message in consumer.consume(100, POLL_S):
        if message.error() is not None:
            print(message.error(), file=sys.stderr)
            if message.error().fatal():
                # Another one has its name.
                closing.set()
        else:
            say("record", message.partition(), message.offset())
            following[message.topic(), message.partition()] = message.offset() + 1
    try:
        if following:
            parts = [TopicPartition(*place, offset) for place, offset in following.items()]
            for part in consumer.commit(offsets=parts, asynchronous=False):
                if part.error is None:
                    say("committed", part.partition, part.offset)
    except KafkaException as error:
        # Another generation, or a broker that is away: the client goes on by itself.
        print(error, file=sys.stderr)
consumer.close()
say("left")
