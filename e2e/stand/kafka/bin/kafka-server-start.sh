#!/bin/sh
# Starts a node: kafka-server-start.sh server.properties [--override property=value]...
home=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)
: "${KAFKA_LOG4J_OPTS=-Dlog4j2.configurationFile=$home/config/log4j2.yaml}"
export KAFKA_LOG4J_OPTS
exec "$home/bin/kafka-run-class.sh" kafka.Kafka "$@"
