#!/bin/sh
# Makes every secret that docker-compose.yaml names, once, readable for you alone, and .env, which says who you are.
# What is there already stays: run it again after a new secret was added. Nothing is printed.
set -eu
umask 077
cd "$(dirname "$0")"
mkdir -p secrets

random() { # hexadecimal: needs no quoting in an address
    od -An -tx1 -N"$1" /dev/urandom | tr -d ' \n'
}

keep() { # keep NAME VALUE
    [ -s "secrets/$1" ] || printf '%s\n' "$2" > "secrets/$1"
}

keep postgres_password "$(random 24)"
keep store_url "postgresql://journeyd:$(cat secrets/postgres_password)@postgres:5432/journeyd"
keep write_key "$(random 24)"
keep ops_key "$(random 24)"
keep signing_key "$(random 32)"
keep webhook_secret "whsec_$(head -c 24 /dev/urandom | base64 | tr -d '\n')"

if [ "$(id -u)" = 0 ]; then # nothing of journeyd runs as root
    owner=10001:10001
    chown -R "$owner" secrets
else
    owner="$(id -u):$(id -g)"
fi
[ -f .env ] || printf 'JOURNEYD_USER=%s\nJOURNEYD_WORKSPACE=%s\nJOURNEYD_BASE_URL=\n' "$owner" "./workspace" > .env
