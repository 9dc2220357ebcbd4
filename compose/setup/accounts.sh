#!/bin/bash
# Sets the accounts of Kibana and of Tocsin's index service; doing it again changes nothing.
set -euo pipefail

# quoted TEXT: as a JSON string.
quoted() {
  local text=${1//\\/\\\\}
  printf '"%s"' "${text//\"/\\\"}"
}

# call METHOD PATH BODY: tries again for a while, since a node that is up may still be electing itself. The password
# goes by a file, where no list of processes shows it.
call() {
  curl --silent --show-error --fail-with-body --retry 20 --retry-delay 3 --retry-all-errors --max-time 20 \
    --cacert "$CA_FILE" --config <(printf 'user = %s\n' "$(quoted "elastic:$ELASTIC_PASSWORD")") \
    --request "$1" "$ELASTICSEARCH$2" --header 'Content-Type: application/json' --data-binary @- <<<"$3"
  echo
}

call POST /_security/user/kibana_system/_password "{\"password\": $(quoted "$KIBANA_PASSWORD")}"
call PUT /_security/role/tocsin '{
  "cluster": ["monitor", "manage_index_templates"],
  "indices": [{"names": ["tocsin-*"], "privileges": ["all"]}]
}'
call PUT /_security/user/tocsin "{\"password\": $(quoted "$INDEX_PASSWORD"), \"roles\": [\"tocsin\"]}"
