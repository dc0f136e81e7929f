"""Ten thousand families: workloads W1 to W8, on a real API server and a real Kafka, or on fakes of both.

    python -m benchmarks --workload W1 --n 1000 --target real --topics 8

The operator runs in processes of its own, as shipped; this process drives it and looks on through one watch. What is
counted is counted on the wire: in the API server's audit log, or by the fake API server.
"""
