/** The options of whoever merges several trees, in the shape that @clusterf/daemon takes. */
export const sourceFlags = {
  'config-source': {
    type: 'list',
    group: 'Configuration',
    describe:
      'where the tree is: etcd://HOST:PORT,…/PREFIX, etcd+https://…, file:///DIRECTORY; repeatable, later ones override',
    defaultText: 'etcd:',
  },
  'filter-routes': {
    type: 'string',
    group: 'Configuration',
    describe: 'take routes only from sources whose URL begins with this',
  },
} as const;
