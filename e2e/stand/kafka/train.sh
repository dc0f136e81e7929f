#!/bin/sh
# Makes kafka.jsa, the class archive with which a node starts in a third of the time.
#   train.sh KAFKA_HOME WORK_DIR BROKER_PORT CONTROLLER_PORT
# It must run at the path, with the Java and with the jars that the archive is then used with.
set -eu
home=$1 work=$2 broker=$3 controller=$4
cat >"$work/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:$controller
listeners=CLIENTS://127.0.0.1:$broker,CONTROLLER://127.0.0.1:$controller
advertised.listeners=CLIENTS://127.0.0.1:$broker,CONTROLLER://127.0.0.1:$controller
inter.broker.listener.name=CLIENTS
controller.listener.names=CONTROLLER
listener.security.protocol.map=CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$work/data
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=true
offsets.topic.replication.factor=1
group.initial.rebalance.delay.ms=0
PROPERTIES
listed() { export KAFKA_OPTS="-Xshare:off -XX:DumpLoadedClassList=$work/$1.classes"; }

listed format
"$home/bin/kafka-storage.sh" format --standalone -t AAAAAAAAAAAAAAAAAAAAAQ -c "$work/server.properties" >"$work/format.log"
listed node
"$home/bin/kafka-server-start.sh" "$work/server.properties" >"$work/node.log" 2>&1 &
node=$!
tries=0
until grep -q "Kafka Server started" "$work/node.log"; do
  tries=$((tries + 1))
  if [ $tries -gt 600 ] || ! kill -0 $node; then cat "$work/node.log" >&2; exit 1; fi
  sleep 0.1
done
listed topics
"$home/bin/kafka-topics.sh" --bootstrap-server "127.0.0.1:$broker" --create --topic t --partitions 3
listed produce
echo record | "$home/bin/kafka-console-producer.sh" --bootstrap-server "127.0.0.1:$broker" --topic t
listed consume
"$home/bin/kafka-console-consumer.sh" --bootstrap-server "127.0.0.1:$broker" --topic t --from-beginning --max-messages 1 --timeout-ms 30000
kill $node
wait $node || [ $? = 143 ]

# Numbers are each run's own; classes that name a source come from loaders of their own and cannot be merged.
cat "$work"/*.classes | grep -v '^#' | grep -v 'source:' | sed 's/ id: .*//' | sort -u >"$work/classes"
LC_ALL=C
path=
for jar in "$home"/libs/*.jar; do path=$path:$jar; done
"${JAVA_HOME:+$JAVA_HOME/bin/}java" -Xshare:dump -Xlog:cds=off -Xlog:cds+heap=off -Xlog:class+load=off -XX:SharedClassListFile="$work/classes" \
  -XX:SharedArchiveFile="$work/kafka.jsa" -cp "${path#:}" >"$work/dump.log" 2>&1 || { tail -20 "$work/dump.log" >&2; exit 1; }
