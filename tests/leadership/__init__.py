"""Two real operator processes, each behind a fault proxy of its own, and one Kafka and one object storage in memory
that both of them share.

`operator_process` is what runs, `replica` its process and proxy, `kafka_server` and `kafka_client` the shared Kafka,
`store_server` and `store_client` the shared object storage, `scene` all of it together, `stories` what users do,
`picture` what is compared.
"""
