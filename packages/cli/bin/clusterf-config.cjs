#!/usr/bin/env -S node --max-semi-space-size=4
'use strict';
void require('../start.cjs').start('clusterf-config', 'clusterf/config');
