/**
 * The import arrows of docs and DESIGN: apps → contracts; edge, services → kit + contracts; lab, cli → anything;
 * nothing → lab. A service never imports another. Tests and examples may reach further than what they test.
 */
const notTests = '(\\.test\\.ts|/testing/|/testing\\.(setup\\.)?ts|/example\\.ts)$';
const ours = '^(kit|contracts|services|edge|apps|lab|cli|test)/';

const forbid = (name, comment, from, to) => ({
  name,
  comment,
  severity: 'error',
  from: { pathNot: notTests, ...from },
  to,
});

export default {
  forbidden: [
    forbid('kit-knows-no-commerce', 'kit imports only kit', { path: '^kit/' }, { path: ours, pathNot: '^kit/' }),
    forbid(
      'contracts-need-only-kit-contract',
      'contracts import only contracts, kit/contract, and operations that a part of the kit brings along',
      { path: '^contracts/' },
      { path: ours, pathNot: '^(contracts/|kit/contract/|kit/[^/]+/operations/)' },
    ),
    forbid(
      'services-never-import-one-another',
      'a service talks to another through a contract',
      { path: '^services/([^/]+)/' },
      { path: ours, pathNot: '^(services/$1|contracts|kit)/' },
    ),
    forbid(
      'edge-needs-kit-and-contracts',
      'the edge knows services by their contracts',
      { path: '^edge/' },
      { path: ours, pathNot: '^(edge|contracts|kit)/' },
    ),
    forbid(
      'apps-need-contracts',
      'apps know contracts',
      { path: '^apps/' },
      { path: ours, pathNot: '^(apps|contracts)/' },
    ),
    forbid(
      'nothing-imports-lab',
      'the lab looks at the house; the house does not know of it',
      { path: ours, pathNot: `^(lab|cli|test)/|${notTests}` },
      { path: '^lab/' },
    ),
    {
      name: 'no-circles',
      comment: 'what depends on itself can’t be understood in parts',
      severity: 'error',
      from: {},
      // Types in a circle are gone when the code runs.
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'no-unknown-modules',
      comment: 'an import that resolves to nothing',
      severity: 'error',
      from: {},
      // The address of a file is Vite's to find: it fails the build of an app when there is no such file.
      to: { couldNotResolve: true, pathNot: '[?]url$' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
      extensions: ['.ts', '.mjs', '.js'],
    },
  },
};
