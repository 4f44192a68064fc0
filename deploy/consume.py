"""Follows a change feed and keeps the rows that it tells of, as docs/feeds.md says.

    python3 -m venv VENV && VENV/bin/pip install confluent-kafka
    VENV/bin/python deploy/consume.py BROKERS TOPIC [TOPIC ...]

Prints each change, and how many rows there are now. It keeps nothing on disk: begun anew it reads the topics anew.
"""

import json
import sys

from confluent_kafka import Consumer, TopicPartition


def main():
    brokers, topics = sys.argv[1], sys.argv[2:]
    consumer = Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": "consume.py",
            "enable.auto.commit": False,
            # What a transaction has not committed never happened.
            "isolation.level": "read_committed",
            "allow.auto.create.topics": False,
        }
    )
    partitions = []
    for topic in topics:
        known = consumer.list_topics(topic, timeout=10).topics[topic]
        partitions += [TopicPartition(topic, number, 0) for number in known.partitions]
    consumer.assign(partitions)
    rows, seen = {}, set()
    while True:
        message = consumer.poll(1.0)
        if message is None:
            continue
        if message.error():
            print(message.error(), file=sys.stderr)
            continue
        if message.value() is None:  # for compaction: a delete has come before it
            continue
        change = json.loads(message.value())
        op, topic = change["op"], message.topic()
        # Each partition is ordered by itself, and told by itself to forget.
        table, key = (topic, message.partition(), change["table"]), message.key()
        if op == "t":
            rows[table] = {}
            continue
        if op in "cud":
            position = (topic, change["epoch"], change["n"])
            assert position not in seen, f"{position} came twice"
            seen.add(position)
        if op == "d":
            rows.setdefault(table, {}).pop(key, None)
        else:
            rows.setdefault(table, {})[key] = change["after"]
        total = sum(map(len, rows.values()))
        print(f"{total:>8} rows  {topic}  {op}  {change['table']}  {key.decode(errors='replace')}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
