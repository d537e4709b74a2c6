"""The engine on a partitioned topic: what a worker does with its partitions. `runtime/kafka.py` brings the messages."""
