#!/bin/sh
# Starts a node with its mounted configuration, and adds what is known only once the pod has a node.
set -eu
mounted=/opt/agentmemory/config
home=${AGENTMEMORY_KAFKA_HOME:-/opt/kafka}
config=/tmp/server.properties
cp "$mounted/server.properties" "$config"
# The kubelet's view of the zone label (KEP-4742); empty where the cluster does not hand it to pods.
if [ -n "${AGENTMEMORY_ZONE:-}" ]; then
  echo "broker.rack=$AGENTMEMORY_ZONE" >>"$config"
fi
# The class-data archive of apache/kafka images; with it a node is up in a fraction of the time.
if [ -r "$home/kafka.jsa" ]; then
  KAFKA_OPTS="${KAFKA_OPTS:-} -XX:SharedArchiveFile=$home/kafka.jsa"
  export KAFKA_OPTS
fi
# What an engine does besides.
if [ -r "$mounted/prepare.sh" ]; then
  . "$mounted/prepare.sh"
fi
exec "$home/bin/kafka-server-start.sh" "$config"
