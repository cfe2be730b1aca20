#!/usr/bin/env node
import { main } from '@clusterf/ipvs-agent';

process.exit(await main(process.argv.slice(2), process.env));
