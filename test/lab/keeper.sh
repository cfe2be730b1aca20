#!/bin/sh
# keeper.sh DIRECTORY COMMAND...: the parent, on the host, of everything a machine is made of. Ends the machine
# when standard input ends, which it does however the process that started it comes to its end, and leaves
# neither the machine's threads (which outlive a killed kernel) nor its directory behind.
directory=$1
shift
# Where the console went may be gone by the time there is something to say.
trap '' PIPE
exec 4<&0
"$@" </dev/null 4<&- &
machine=$!
exec 3<&-
# The machine sees the end too and halts by itself; this is for one that hangs.
{
  cat <&4 >/dev/null
  sleep 3
  kill -KILL "-$machine" "$machine"
} >/dev/null 2>&1 &
wait "$machine"
echo "the machine ended with status $?" 2>/dev/null
# A user-mode kernel makes itself a process group, in which its threads outlive it.
kill -KILL "-$machine" 2>/dev/null
sh "${0%/*}/release.sh" "$directory"
kill -KILL 0
