#!/bin/sh
# Runs one of Kafka's classes: kafka-run-class.sh CLASS ARGUMENT...
# Honours JAVA_HOME, KAFKA_HEAP_OPTS, KAFKA_JVM_PERFORMANCE_OPTS, KAFKA_LOG4J_OPTS, KAFKA_OPTS and CLASSPATH as Kafka's own does.
home=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)
LC_ALL=C
# The same jars in the same order as when the class archive was made: it is refused otherwise.
path=
for jar in "$home"/libs/*.jar; do path=$path:$jar; done
path=${path#:}${CLASSPATH:+:$CLASSPATH}
share=
if [ -f "$home/kafka.jsa" ]; then share="-XX:SharedArchiveFile=$home/kafka.jsa -Xshare:auto -Xlog:cds=off"; fi
: "${KAFKA_HEAP_OPTS=-Xms64m -Xmx256m}"
: "${KAFKA_JVM_PERFORMANCE_OPTS=-XX:+UseSerialGC -XX:TieredStopAtLevel=1}"
: "${KAFKA_LOG4J_OPTS=-Dlog4j2.configurationFile=$home/config/tools-log4j2.yaml}"
class=$1
shift
# shellcheck disable=SC2086 # the variables hold several words each
exec "${JAVA_HOME:+$JAVA_HOME/bin/}java" $share $KAFKA_HEAP_OPTS $KAFKA_JVM_PERFORMANCE_OPTS -Djava.awt.headless=true -Dlog4j2.disable.jmx=true \
  $KAFKA_LOG4J_OPTS $KAFKA_OPTS -cp "$path" "$class" "$@"
