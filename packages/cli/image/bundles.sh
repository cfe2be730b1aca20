#!/bin/sh
# bundles.sh [PREBUILT]: has packages/cli/bundles made, or, with an argument, takes those that are there. Run in a
# checkout.
set -eu

if [ -z "${1:-}" ]; then
  npm ci --no-audit --no-fund
  npx tsc -b packages/cli
  node packages/cli/build.mjs
  exit
fi

# V8 takes compiled code of its own version alone, which another Node's may not be: this Node compiles it again.
flags=$(sed -n '1s/.* -S node //p' packages/cli/bin/clusterf.cjs)
for bundle in "$PWD"/packages/cli/bundles/*.cjs; do
  node $flags packages/cli/build/compile.cjs "$bundle" >/dev/null
done
