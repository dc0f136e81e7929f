"""Two real operator processes, each behind a fault proxy of its own, and one Kafka in memory that both of them share.

`operator_process` is what runs, `replica` its process and proxy, `kafka_server` and `kafka_client` the shared Kafka,
`scene` all of it together, `stories` what users do, `picture` what is compared.
"""
