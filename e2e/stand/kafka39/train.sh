#!/bin/sh
# Makes kafka.jsa, the class archive with which a node starts faster.
#   train.sh KAFKA_HOME WORK_DIR BROKER_PORT CONTROLLER_PORT
# It must run at the path, with the Java and with the jars that the archive is then used with.
set -eu
home=$1 work=$2 broker=$3 controller=$4
cat >"$work/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
listeners=CLIENTS://127.0.0.1:$broker,CONTROLLER://127.0.0.1:$controller
inter.broker.listener.name=CLIENTS
controller.listener.names=CONTROLLER
listener.security.protocol.map=CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$work/data
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=true
PROPERTIES
LC_ALL=C
path=
for jar in "$home"/libs/*.jar; do path=$path:$jar; done
# Everything that a node loads in its life is written down at its end.
# shellcheck disable=SC2086 # $archive holds several words
node() {
  exec "${JAVA_HOME:+$JAVA_HOME/bin/}java" -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 $archive \
    -Dlog4j.configuration="file:$home/config/log4j.properties" -cp "${path#:}" "$@"
}
archive=
(node kafka.tools.StorageTool format -t AAAAAAAAAAAAAAAAAAAAAQ -c "$work/server.properties") >"$work/format.log" 2>&1
archive="-XX:ArchiveClassesAtExit=$work/kafka.jsa -Xlog:cds=off"
(node kafka.Kafka "$work/server.properties") >"$work/node.log" 2>&1 &
node=$!
tries=0
until grep -q "Kafka Server started" "$work/node.log"; do
  tries=$((tries + 1))
  if [ $tries -gt 600 ] || ! kill -0 $node; then cat "$work/node.log" >&2; exit 1; fi
  sleep 0.1
done
kill $node
wait $node || [ $? = 143 ]
[ -f "$work/kafka.jsa" ] || { tail -20 "$work/node.log" >&2; exit 1; }
