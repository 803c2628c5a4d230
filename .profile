# Read on Heroku before each process. Redis is encrypted there, with a certificate that nobody else has signed.
case ${DYNO:+${REDIS_URL:-}} in
    rediss://*\?*) ;;
    rediss://*) export REDIS_URL="$REDIS_URL?ssl_cert_reqs=none" ;;
esac
