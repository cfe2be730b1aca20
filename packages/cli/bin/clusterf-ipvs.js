#!/usr/bin/env node
'use strict';
void require('../start.js').start('clusterf-ipvs', '@clusterf/ipvs-agent');
