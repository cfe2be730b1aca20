#!/bin/sh
# Every command in the image, by its name.
#
# What --cap-add gives a container, Docker gives to root in it and to nobody else. Another user gets it from a program
# that has it as a file capability; setpriv here has CAP_NET_ADMIN, and hands it on as far as the container was given it.
command=/usr/lib/clusterf/bin/${0##*/}.cjs
hand_on='/usr/lib/clusterf/setpriv --inh-caps=+net_admin --ambient-caps=+net_admin'
if $hand_on /bin/sh -c : 2>/dev/null; then exec $hand_on "$command" "$@"; fi
exec "$command" "$@"
