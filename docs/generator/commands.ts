import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { TopologySchema } from '../../cli/topology.ts';
import { schemaText } from './schema-text.ts';
import { banner } from './text.ts';

const cli = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));

/** docs/commands.md: what every command says of itself. */
export function commandsPage(): string {
  const top = help();
  const names = [...top.matchAll(/^ {2}(\w+) (?:\[options\]|<)/gm)].map(([, name]) => name as string);
  const sections = names.map((name) => `## ${name}\n\n\`\`\`\n${help(name)}\n\`\`\``);
  return `${banner('the commands themselves (`npx holdfast <command> --help`)')}# Commands

\`\`\`
${top}
\`\`\`

${sections.join('\n\n')}
`;
}

function help(...command: string[]): string {
  return execFileSync(process.execPath, [cli, ...command, '--help'], {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], NO_COLOR: '1', COLUMNS: '100' },
  }).trimEnd();
}

/** docs/topology.md: what a topology file may say. */
export function topologyPage(): string {
  return `${banner('the schema in cli/topology.ts')}# Topology file

\`npx holdfast up --topology FILE\` takes a JSON file of this shape. \`one-process\` and \`process-per-service\` are built in.
All mistakes are reported at once, each with its place. How to use it: [running](guides/running.md#topologies).

\`\`\`ts
${schemaText(TopologySchema, new Map())}
\`\`\`
`;
}
