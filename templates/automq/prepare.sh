# shellcheck shell=sh
# Sourced by start.sh: a trust store with what Java trusts already, the cluster's own authority and the buckets' ones.
# AutoMQ's S3 client and the clients of its balancer have no setting for that and know Java's trust store alone.
store=/tmp/truststore
keytool=${JAVA_HOME:+$JAVA_HOME/bin/}keytool
if command -v "$keytool" >/dev/null; then
  java=$(dirname "$(dirname "$(readlink -f "$(command -v "$keytool")")")")
  rm -f "$store"
  if [ -r "$java/lib/security/cacerts" ]; then
    cp "$java/lib/security/cacerts" "$store"
    chmod u+w "$store"
  fi
  number=0
  for file in /opt/agentmemory/tls/ca.crt /opt/agentmemory/bucket-ca/*/ca.crt; do
    [ -r "$file" ] || continue
    # keytool takes the first certificate of a file alone.
    while IFS= read -r line; do
      case $line in *"BEGIN CERTIFICATE"*) : >/tmp/trusted.crt ;; esac
      echo "$line" >>/tmp/trusted.crt
      case $line in
        *"END CERTIFICATE"*)
          number=$((number + 1))
          "$keytool" -J-XX:TieredStopAtLevel=1 -J-XX:+UseSerialGC -J-Xmx64m -importcert -noprompt \
            -alias "agentmemory-$number" -keystore "$store" -storepass changeit -file /tmp/trusted.crt
          ;;
      esac
    done <"$file"
  done
  # The password is Java's own default: there is nothing secret in a trust store.
  KAFKA_OPTS="${KAFKA_OPTS:-} -Djavax.net.ssl.trustStore=$store -Djavax.net.ssl.trustStorePassword=changeit"
  export KAFKA_OPTS
elif [ -e /opt/agentmemory/bucket-ca ]; then
  echo "the bucket's server has an authority of its own, and this image has no keytool to make Java trust it" >&2
  exit 1
else
  echo "this image has no keytool: AutoMQ's balancer cannot trust the brokers' certificates and stays idle" >&2
fi
