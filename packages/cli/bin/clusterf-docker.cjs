#!/usr/bin/env -S node --max-semi-space-size=4
'use strict';
// Young objects have at most 4 MB: V8 would give them up to 16 where a machine has memory, which bought no time here.
void require('../start.cjs').start('clusterf-docker', '@clusterf/docker-agent');
