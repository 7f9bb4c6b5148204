#!/bin/bash
# make mini TENTH=1 from nothing, killed three times by SIGKILL, then to the end; log to /tmp/tenth_run.out
cd /tmp/tenth_run || exit 1
export OMP_NUM_THREADS=1
for wait in 150 420 600; do
  setsid make mini TENTH=1 >>/tmp/tenth_run.out 2>&1 </dev/null & 
  pid=$!
  for _ in $(seq $wait); do sleep 1; kill -0 $pid 2>/dev/null || break; done
  kill -0 $pid 2>/dev/null && { kill -9 -- -$pid; pkill -9 -s $pid; echo "$(date -u +%FT%TZ) killed by SIGKILL" >> runs/mini-tenth/log.txt; sleep 3; }
done
make mini TENTH=1 >>/tmp/tenth_run.out 2>&1 </dev/null
