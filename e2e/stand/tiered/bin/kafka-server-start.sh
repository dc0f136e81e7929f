#!/bin/sh
# As the Kafka image's own, and Kafka looks every few seconds for what has to go to the bucket or leave the volume. Its
# own pace is minutes (retention every 5, the first time 30 s after the start; segments every 30 s).
home=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)
: "${KAFKA_LOG4J_OPTS=-Dlog4j2.configurationFile=$home/config/log4j2.yaml}"
export KAFKA_LOG4J_OPTS
exec "$home/bin/kafka-run-class.sh" kafka.Kafka "$@" \
  --override log.retention.check.interval.ms=2000 \
  --override log.initial.task.delay.ms=2000 \
  --override remote.log.manager.task.interval.ms=2000
