import { manPage, manualPage } from '@clusterf/daemon';
import { VERSION } from '../dist/version.js';
import start from '../start.cjs';

/** What an agent does with signals, beside what all commands do. */
const AGENTS = {
  'clusterf-docker': [
    {
      term: 'SIGTERM, SIGINT',
      text: 'End. What is registered stays for --ttl, unless --exit-flush or --exit-drain say otherwise. A second one ends it at once.',
    },
  ],
  'clusterf-ipvs': [
    {
      term: 'SIGTERM, SIGINT',
      text: 'End. The kernel forwards on, unless --exit-withdraw says otherwise. A second one ends it at once.',
    },
    {
      term: 'SIGHUP',
      text: 'Read all sources anew and look at the whole kernel table. Options are read at the start alone.',
    },
  ],
};

/** The pages of these commands, and of the subcommands of `clusterf`: from what their bundles say of themselves. */
export async function manPages(commands, changed) {
  const date = changed.toISOString().slice(0, 10);
  const subcommands = await subcommandSpecs();
  const others = commands.filter((command) => command !== 'clusterf');
  const pages = others.map((name) => agentPage(name, date));
  for (const { name, command } of subcommands) {
    const seeAlso = ['clusterf(1)'];
    pages.push({ name: `clusterf-${name}`, section: 1, text: manPage(command, { section: 1, date, seeAlso }) });
  }
  const seeAlso = pages.map(({ name, section }) => `${name}(${section})`).toSorted();
  return [...pages, { name: 'clusterf', section: 1, text: overview(subcommands, date, seeAlso) }];
}

function agentPage(name, date) {
  const { command } = start.load(start.bundleOf(name)).exports;
  const signals = AGENTS[name];
  const section = signals === undefined ? 1 : 8;
  const unit = `${name}.service`;
  const files = [
    { term: `/etc/clusterf/${name.replace('clusterf-', '')}.json`, text: `What ${unit} gives to --config.` },
    { term: `/etc/default/${name}`, text: `The environment of ${unit}.` },
    ...(name === 'clusterf-ipvs'
      ? [{ term: '/run/clusterf', text: "What in the kernel is the agent's own (--state-dir)." }]
      : []),
  ];
  const more =
    signals === undefined
      ? []
      : [
          { title: 'SIGNALS', blocks: signals },
          { title: 'FILES', blocks: files },
        ];
  return { name, section, text: manPage(command, { section, date, more, seeAlso: ['clusterf(1)'] }) };
}

async function subcommandSpecs() {
  const { SUBCOMMANDS } = start.load(start.bundleOf('clusterf')).exports;
  const names = Object.entries(SUBCOMMANDS);
  return await Promise.all(names.map(async ([name, load]) => ({ name, command: (await load()).command })));
}

function overview(subcommands, date, seeAlso) {
  return manualPage({
    name: 'clusterf',
    section: 1,
    date,
    source: `clusterf ${VERSION}`,
    whatis: 'publish containers on virtual addresses that the kernel balances',
    sections: [
      { title: 'SYNOPSIS', blocks: [{ usage: 'clusterf', arguments: 'COMMAND [options]' }] },
      {
        title: 'DESCRIPTION',
        blocks: [
          {
            text:
              "The operator's command. clusterf-docker on every Docker host turns the labels of containers into leased " +
              "registrations in etcd; clusterf-ipvs on every balancer streams those into the kernel's IPVS table.",
          },
        ],
      },
      {
        title: 'COMMANDS',
        blocks: [
          ...subcommands.map(({ name, command }) => ({ term: name, text: command.summary.split('\n')[0] })),
          { term: 'help', placeholder: 'COMMAND', text: 'What clusterf COMMAND --help says.' },
        ],
      },
      {
        title: 'OPTIONS',
        blocks: [
          { term: '-h, --help', text: 'Print the commands and exit.' },
          { term: '--version', text: 'Print the version and exit.' },
        ],
      },
      { title: 'SEE ALSO', blocks: [{ text: seeAlso.join(', ') }] },
    ],
  });
}
