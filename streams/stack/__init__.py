"""The local stack: Kafka, Elasticsearch and Triton on loopback, from packages, without containers."""
