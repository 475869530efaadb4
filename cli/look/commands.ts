import { type Command, InvalidArgumentError } from 'commander';

/** The commands that show what a system does and did. Each is loaded when it is wanted. */
export function addLookCommands(program: Command): void {
  const look = (nameAndArguments: string, description: string) =>
    program
      .command(nameAndArguments)
      .description(description)
      .option('--data-dir <directory>', 'whose files (default: the system of this checkout); it need not run');

  look('logs', 'show what all processes logged, of one order, trace, service or level')
    .option('--order <id>', 'everything that was done for an order, or anything else with an id')
    .option('--trace <id>', 'everything of a trace, or of an x-correlation-id')
    .option('--service <name>', 'of a service, or of one process: orders, orders-2')
    .option('--level <level>', 'this and worse: debug, info, warn or error')
    .option(
      '--since <time>',
      '90s, 10m, 1h, 2d, or a time as 2026-01-31T12:00:00Z (default: 1h; with an id: all there is)',
    )
    .option('--limit <lines>', 'the last so many', parseCount, 1_000)
    .option('-f, --follow', 'go on with new lines as they come', false)
    .option('--json', 'lines as they were written, one JSON object each', false)
    .action(async (options) => {
      const { logsCommand } = await import('./logs.ts');
      process.exitCode = await logsCommand(options);
    });

  look('top', 'show live what each service of each process does: rate, failures, times, queues, processor, memory')
    .option('--every <seconds>', 'between two looks', parseSeconds, 2)
    .option('--once', 'look once and end, as where there is no terminal', false)
    .option('--json', 'print one line of JSON on standard output and end', false)
    .action(async ({ every, ...options }) => {
      const { topCommand } = await import('./top.ts');
      process.exitCode = await topCommand({ ...options, everySec: every });
    });

  look(
    'slo',
    'show what is left of each error budget and how fast it burns; ends with 5 when that should wake somebody',
  )
    .option('--json', 'print one line of JSON on standard output', false)
    .action(async (options) => {
      const { sloCommand } = await import('./slo.ts');
      process.exitCode = await sloCommand(options);
    });

  look('trace <id>', 'show how the time of a request was spent: by order, or any other id, or by trace')
    .option('--all', 'traces that only read it, too', false)
    .option('--json', 'print one line of JSON on standard output', false)
    .action(async (id, options) => {
      const { traceCommand } = await import('./trace.ts');
      process.exitCode = await traceCommand(id, options);
    });
}

function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (seconds >= 0.2 && seconds <= 60) return seconds;
  throw new InvalidArgumentError('Give a number from 0.2 to 60.');
}

function parseCount(text: string): number {
  const count = Number(text);
  if (Number.isInteger(count) && count >= 1 && count <= 1_000_000) return count;
  throw new InvalidArgumentError('Give a number from 1 to 1000000.');
}
