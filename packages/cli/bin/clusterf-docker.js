#!/usr/bin/env node
'use strict';
void require('../start.js').start('clusterf-docker', '@clusterf/docker-agent');
