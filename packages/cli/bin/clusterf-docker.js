#!/usr/bin/env node
import { main } from '@clusterf/docker-agent';

process.exitCode = await main(process.argv.slice(2), process.env);
