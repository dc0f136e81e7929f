"""Admin calls to Kafka: `connection.KafkaPool` gives a `KafkaAdmin` per cluster; `model` has the values in and out."""

import warnings

with warnings.catch_warnings():
    # kafka-python 3.0 reads its message schemas by functions of importlib.resources that are deprecated in Python 3.11.
    warnings.filterwarnings("ignore", r"(read|open)_text is deprecated", DeprecationWarning)
    import kafka.admin  # noqa: F401  (here, so that it is imported under this filter)

    from agentmemory.kafka import messages  # noqa: F401
