#!/bin/bash
# Makes the certificate authority and Elasticsearch's certificate, once; runs in the image of Elasticsearch.
set -euo pipefail
certs=config/certs

if [[ ! -f $certs/ca/ca.key ]]; then
  rm -rf "$certs/ca" "$certs/ca.zip"
  bin/elasticsearch-certutil ca --silent --pem --days 3650 --out "$certs/ca.zip"
  unzip -q "$certs/ca.zip" -d "$certs"
  rm "$certs/ca.zip"
fi

if [[ ! -f $certs/elasticsearch/elasticsearch.key ]]; then
  rm -rf "$certs/elasticsearch" "$certs/node.zip"
  bin/elasticsearch-certutil cert --silent --pem --days 3650 --name elasticsearch \
    --dns elasticsearch,localhost --ip 127.0.0.1 \
    --ca-cert "$certs/ca/ca.crt" --ca-key "$certs/ca/ca.key" --out "$certs/node.zip"
  unzip -q "$certs/node.zip" -d "$certs"
  rm "$certs/node.zip"
fi

# Everyone may check a certificate; keys are for the group of Elasticsearch's user, which is root's.
chown -R root:root "$certs"
find "$certs" -type d -exec chmod 755 {} +
find "$certs" -name '*.crt' -exec chmod 644 {} +
find "$certs" -name '*.key' -exec chmod 640 {} +
chmod 600 "$certs/ca/ca.key"
