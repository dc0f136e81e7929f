#!/bin/sh
# Starts a node with its mounted configuration, and adds what is known only once the pod has a node.
set -eu
config=/tmp/server.properties
cp /opt/agentmemory/config/server.properties "$config"
# The kubelet's view of the zone label (KEP-4742); empty where the cluster does not hand it to pods.
if [ -n "${AGENTMEMORY_ZONE:-}" ]; then
  echo "broker.rack=$AGENTMEMORY_ZONE" >>"$config"
fi
# The class-data archive of apache/kafka images; with it a node is up in a fraction of the time.
if [ -r /opt/kafka/kafka.jsa ]; then
  KAFKA_OPTS="${KAFKA_OPTS:-} -XX:SharedArchiveFile=/opt/kafka/kafka.jsa"
  export KAFKA_OPTS
fi
exec /opt/kafka/bin/kafka-server-start.sh "$config"
