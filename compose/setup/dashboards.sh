#!/bin/bash
# Brings our data views and dashboard into Kibana; doing it again replaces them.
set -euo pipefail

password=${ELASTIC_PASSWORD//\\/\\\\}
curl --silent --show-error --fail-with-body --retry 20 --retry-delay 3 --retry-all-errors --max-time 60 \
  --config <(printf 'user = "elastic:%s"\n' "${password//\"/\\\"}") \
  --request POST "$KIBANA/api/saved_objects/_import?overwrite=true" --header 'kbn-xsrf: true' \
  --form file=@/kibana/tocsin.ndjson
echo
