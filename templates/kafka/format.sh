#!/bin/sh
# Gives a new volume its identity; a volume that has one is left alone.
#
# An initial voter is made only when the quorum's ConfigMap and this pod both say `bootstrap`. Once the quorum has begun
# both say `join`, so a volume that was lost comes back as an observer that joins, and never as a voter that forgot.
set -eu
config=/opt/agentmemory/config/server.properties
quorum=/opt/agentmemory/quorum
if [ -f "$AGENTMEMORY_LOG_DIR/meta.properties" ]; then
  echo "volume has its identity:"
  cat "$AGENTMEMORY_LOG_DIR/meta.properties"
  exit 0
fi
voters=--no-initial-controllers
if [ "$AGENTMEMORY_FORMAT" = bootstrap ] && [ "$(cat "$quorum/mode")" = bootstrap ]; then
  voters="--initial-controllers $(cat "$quorum/initial-controllers")"
fi
echo "formatting with $voters"
# Two words on purpose.
# shellcheck disable=SC2086
exec /opt/kafka/bin/kafka-storage.sh format --cluster-id "$AGENTMEMORY_CLUSTER_ID" --config "$config" $voters
