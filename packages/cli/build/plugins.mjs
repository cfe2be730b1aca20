/** What esbuild changes in other people's modules, each a thing done at build time rather than at every start. */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** etcd3 reads and parses etcd's protocol from a .proto file, which a bundle has not beside it. */
export const precompiledProtocol = edit('etcd3/lib/connection-pool.js', (source, path) => {
  const { Root } = requireFrom(path, '@grpc/proto-loader', 'protobufjs');
  // As etcd3 does: names stay as they are written there.
  const protocol = new Root().loadSync(join(dirname(path), '../proto/rpc.proto'), { keepCase: true }).toJSON();
  const text = JSON.stringify(JSON.stringify(protocol));
  return replace(source, 'loadSync)(`${__dirname}/../proto/rpc.proto`', `fromJSON)(JSON.parse(${text})`);
});

/** Descriptions of every message for gRPC's reflection service, which only servers offer: half of the time to load etcd3. */
export const withoutReflection = edit('@grpc/proto-loader/build/src/index.js', (source) => {
  const none = [
    ["const messageDescriptor = message.toDescriptor('proto3');", ''],
    ['type: messageDescriptor.$type.toObject(messageDescriptor, descriptorOptions),', ''],
    ["const enumDescriptor = enumType.toDescriptor('proto3');", ''],
    ['type: enumDescriptor.$type.toObject(enumDescriptor, descriptorOptions),', ''],
    ["const descriptorList = root.toDescriptor('proto3').file;", 'const descriptorList = [];'],
  ];
  return none.reduce((text, [from, to]) => replace(text, from, to), source);
});

/** Native code stays in its package, wherever that is installed. */
export const nativeNetlink = edit('netlink/dist/raw.js', (source) =>
  replace(source, "__dirname + '/..'", "require('node:path').dirname(require.resolve('netlink/package.json'))"),
);

/** Of all that the netlink package speaks, generic and routing netlink are asked for. */
export const netlinkInUse = edit('netlink/dist/index.js', (source) =>
  [/^__exportStar\(require\("\.\/(nl80211|wg)\/.*$/gm, /^const (nl80211|wg) = .*\nexports\.\1 = \1;$/gm].reduce(
    (text, lines) => text.replaceAll(lines, ''),
    source,
  ),
);

/** ssh:// is refused before dockerode hears of it; its ssh client is half a megabyte, and reserves 16 more when loaded. */
export const withoutSsh = edit('docker-modem/lib/ssh.js', (source) => {
  replace(source, "require('ssh2')", '');
  return "module.exports = () => { throw new Error('ssh:// is not supported'); };";
});

function edit(file, change) {
  return {
    name: file,
    setup(build) {
      build.onLoad({ filter: new RegExp(`/${file.replaceAll('.', '\\.')}$`) }, async ({ path }) => ({
        contents: change(await readFile(path, 'utf8'), path),
      }));
    },
  };
}

/** Fails the build where a new version says it otherwise. */
function replace(source, from, to) {
  if (!source.includes(from)) throw new Error(`no longer there, so this has to be looked at again: ${from}`);
  return source.replace(from, () => to);
}

/** A package that another one, wherever it is installed, depends on. */
function requireFrom(path, ...names) {
  const last = names.pop();
  const place = names.reduce((from, name) => createRequire(from).resolve(name), path);
  return createRequire(place)(last);
}
