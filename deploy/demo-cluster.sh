#!/usr/bin/env bash
# Several processes on one log, on this machine: a broker, `ingest`, two `run`, and a consumer of a change feed.
#
#   demo gardens ─► ingest ─► broker: springline.log ─► run 0, run 1 (one dataflow) ─► topics events.0, events.1 ─► consumer
#
# Any broker that speaks Kafka's protocol will do: BROKERS=host:port. Without it a small one for tests is fetched (PyPI) and
# started. What is made lies in DIR, a new folder unless it is given; Ctrl-C ends all.
set -euo pipefail
cd "$(dirname "$0")/.."
springline="${SPRINGLINE:-${CARGO_TARGET_DIR:-target}/release/springline}"
dir="${DIR:-$(mktemp -d)}"
mkdir -p "$dir"
children=()
finish() {
  trap - EXIT INT TERM
  for child in "${children[@]}"; do kill -TERM "$child" 2>/dev/null || true; done
  wait
}
trap finish EXIT INT TERM

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

until_says() { # URL PATTERN SECONDS
  for _ in $(seq $(($3 * 5))); do
    if curl -fsS "$1" 2>/dev/null | grep -q "$2"; then return; fi
    sleep 0.2
  done
  echo "$1 does not say $2; the logs are in $dir" >&2
  exit 1
}

if [ -z "${BROKERS:-}" ]; then
  tests/broker.sh "$dir/broker"
  port="$(free_port)"
  "$dir/broker/noida-db" start --only kafka --kafka-port "$port" --data-dir "$dir/broker/data" >"$dir/broker.log" 2>&1 &
  children+=($!)
  BROKERS="127.0.0.1:$port"
  for _ in $(seq 50); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then break; fi
    sleep 0.2
  done
fi
echo "broker: $BROKERS, logs and data: $dir"

first="$(free_port)" second="$(free_port)" ingest="$(free_port)"
printf '127.0.0.1:%s http://127.0.0.1:%s\n' "$(free_port)" "$first" "$(free_port)" "$second" >"$dir/hosts"
head -c 24 /dev/urandom | base64 >"$dir/secret"
cat >"$dir/springline.toml" <<TOML
[kafka]
brokers = ["$BROKERS"]

[journal]
kind = "kafka"

[journal.kafka]
topic = "springline.log"
partitions = 4

[sinks.events]
kind = "kafka"
view = "backlinks"
topic = "events"

[sources.gardens]
type = "git"
allow_file = true
gardens = [
  { target = "garden/logseq-docs", url = "$PWD/demo/gardens/logseq-docs.bundle", branch = "main" },
  { target = "garden/silverbullet", url = "$PWD/demo/gardens/silverbullet.bundle", branch = "main" },
]
TOML

"$springline" --config "$dir/springline.toml" --data-dir "$dir/ingest" ingest --listen "127.0.0.1:$ingest" >"$dir/ingest.log" 2>&1 &
children+=($!)
for process in 0 1; do
  listen="$first"
  if [ "$process" = 1 ]; then listen="$second"; fi
  "$springline" --config "$dir/springline.toml" --data-dir "$dir/run-$process" run --processes 2 --process "$process" \
    --hosts "$dir/hosts" --secret "$dir/secret" --listen "127.0.0.1:$listen" >"$dir/run-$process.log" 2>&1 &
  children+=($!)
done
until_says "http://127.0.0.1:$ingest/readyz" ready 120
until_says "http://127.0.0.1:$first/readyz" ready 120
until_says "http://127.0.0.1:$second/readyz" ready 120
echo "both answer for all: http://127.0.0.1:$first and http://127.0.0.1:$second"
curl -fsS "http://127.0.0.1:$second/v1/views"
echo
if [ "${1:-}" = "--once" ]; then exit 0; fi
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet confluent-kafka
echo "what changes in the view backlinks, as a consumer of its feed has it (Ctrl-C ends):"
"$dir/venv/bin/python" deploy/consume.py "$BROKERS" events.0 events.1 &
children+=($!)
# In the background, so that a signal is heard at once.
wait "$!"
