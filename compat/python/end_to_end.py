"""usage: end_to_end.py BOOTSTRAP TOPIC RECORDS RECORD_BYTES

One record in, and out again through a waiting consumer, before the next one; prints the times from produce to
poll as one JSON object, in milliseconds. The first ones are not counted.
"""

import json
import sys
import time

from confluent_kafka import Consumer, Producer, TopicPartition

NOT_COUNTED = 200
PATIENCE_S = 10


def main():
    bootstrap, topic, records, record_bytes = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "linger.ms": 0})
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "end-to-end", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, 0, 0)])
    times_ms = []
    for number in range(NOT_COUNTED + records):
        acknowledged = []
        start = time.perf_counter()
        producer.produce(topic, b"x" * record_bytes, partition=0, on_delivery=lambda *of: acknowledged.append(of))
        message = consumer.poll(PATIENCE_S)
        took_ms = (time.perf_counter() - start) * 1e3
        if message is None or message.error():
            sys.exit(f"record {number}: {message and message.error()}")
        producer.flush(PATIENCE_S)
        if not acknowledged or acknowledged[0][0] is not None:
            sys.exit(f"record {number} was not acknowledged: {acknowledged}")
        if number >= NOT_COUNTED:
            times_ms.append(took_ms)
    times_ms.sort()
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "p999": 0.999, "max": 1.0}
    figures = {f"{name}_ms": round(times_ms[int(share * (records - 1))], 3) for name, share in shares.items()}
    print(json.dumps({"records": records, **figures}))


main()
