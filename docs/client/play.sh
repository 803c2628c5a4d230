#!/usr/bin/env bash
# Plays one action, then shows the board whenever it has changed. Needs bash and curl.
# SCOREBOARD_URL, SCOREBOARD_USER and SCOREBOARD_PASSWORD say where, and who.
set -euo pipefail

url=${SCOREBOARD_URL:-http://localhost:8000}
user=${SCOREBOARD_USER:-alice}
password=${SCOREBOARD_PASSWORD:-demo-password}
token='' answer=''
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 0' INT TERM

# ask METHOD PATH [BODY]: leaves the answer in $answer and its status in $status. curl asks again when the answer is lost,
# and on 429 and 503 after the time that Retry-After names.
ask() {
    status=$(curl --silent --max-time 10 --retry 8 --retry-all-errors --retry-max-time 120 \
        --request "$1" "$url$2" ${3:+--data "$3"} --output "$work/answer" --write-out '%{http_code}' \
        --header 'Content-Type: application/json' --header "Authorization: Bearer $token") || true
    [ "$status" != 000 ] || fail
    answer=$(<"$work/answer")
}

# field NAME: the member of the answer, a string or a number
field() { sed -E "s/.*\"$1\":(\"([^\"]*)\"|([^,}]*)).*/\2\3/" <<<"$answer"; }

fail() {
    echo "$url answers $status $(field detail)" >&2
    exit 1
}

login() {
    token=''
    ask POST /auth/login "{\"username\": \"$user\", \"password\": \"$password\"}"
    [ "$status" = 200 ] || fail
    token=$(field accessToken) me=$(field userId)
}

play() {
    ask POST "/users/$me/actions" '{"status": "started"}'
    [ "$status" = 201 ] || fail
    ask PUT "/users/$me/actions/$(field actionId)" '{"status": "completed"}'
    case $status in
        200) echo "$(field awardedPoints) points" ;;
        409) echo "$(field score) points, though the first answer was lost" ;; # completed by an attempt before
        *) fail ;;
    esac
}

# Not every curl speaks WebSocket. Asking with the version that is known costs little: while it is the newest, the answer
# is a 304 without a body.
watch() {
    local version='' failures=0 pause status
    while true; do
        status=$(curl --silent --max-time 10 "$url/top-scores" --output "$work/board" --dump-header "$work/head" \
            --write-out '%{http_code}' --header "If-None-Match: $version" --header "Authorization: Bearer $token") || true
        case $status in
            200)
                version=$(sed -n 's/^[Ee][Tt][Aa][Gg]: \(.*\)\r$/\1/p' "$work/head")
                cat "$work/board" && echo
                ;;
            304) ;;
            401) login ;;
            *) failures=$((failures + 1)) ;; # away, or asked too often
        esac
        case $status in 200 | 304) failures=0 ;; esac
        pause=$((failures < 5 ? 1 << failures : 20))
        sleep "$((RANDOM % pause + 1))"
    done
}

login
play
watch
