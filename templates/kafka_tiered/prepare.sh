# shellcheck shell=sh
# Sourced by start.sh: looks for every secret setting that the configuration refers to. Kafka would take the reference
# itself for the value when there is none, start, and copy no segment.
secrets=/opt/agentmemory/tiering
for name in $(sed -n "s|.*[$]{dir:$secrets:\\([^}]*\\)}.*|\\1|p" "$mounted/server.properties"); do
  if [ ! -s "$secrets/$name" ]; then
    echo "setting $name of the tiered storage's plugin is missing or empty in the Secret mounted at $secrets" >&2
    exit 1
  fi
done
