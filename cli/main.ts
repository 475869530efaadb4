import { readFileSync } from 'node:fs';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { exitCodes, explain } from './failure.ts';
import { complain } from './screen.ts';

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

const program = new Command('holdfast')
  .description('Commerce that holds fast.')
  .version(version, '-V, --version')
  .exitOverride()
  .showHelpAfterError('Run "holdfast --help" for what there is.')
  .configureHelp({ showGlobalOptions: true })
  .addHelpText(
    'after',
    '\nExit codes: 0 ok, 1 internal, 2 usage, 3 auth, 4 unavailable, 5 check failed.' +
      '\nNO_COLOR is honoured; HOLDFAST_LOG=debug|info|warn|error says how much is logged (default warn).',
  );

program
  .command('up')
  .description('start Holdfast and keep it running until Ctrl-C')
  .option('--topology <name-or-file>', 'one-process, process-per-service, or a JSON file', 'one-process')
  .option('--port <port>', 'port of the gateway', parsePort, 4080)
  .option('--host <address>', 'address of the gateway; 0.0.0.0 for every network', '127.0.0.1')
  .option('--data-dir <directory>', 'where everything is kept (default: .holdfast in the checkout)')
  .option('--json', 'print one line of JSON with the URLs on standard output', false)
  .action(async (options) => {
    // Loaded when wanted: the services and their libraries take a second that other commands need not pay.
    const { up } = await import('./up.ts');
    process.exitCode = await up(options);
  });

program
  .command('version')
  .description('print the version')
  .option('--json', 'as JSON', false)
  .action(({ json }) => {
    process.stdout.write(json ? `${JSON.stringify({ version, node: process.version })}\n` : `${version}\n`);
  });

function parsePort(text: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port >= 1 && port <= 65_535) return port;
  throw new InvalidArgumentError('Give a number from 1 to 65535.');
}

try {
  await program.parseAsync();
  // Whatever is left over (a keep-alive socket, an unfinished timer) must not keep a command alive that has ended.
  process.exit();
} catch (error) {
  process.exit(report(error));
}

function report(error: unknown): number {
  // Commander has printed its own message; help and version are no errors.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  const { sentence, exitCode } = explain(error);
  complain(sentence);
  if (process.argv.includes('--json')) {
    process.stdout.write(`${JSON.stringify({ ok: false, error: sentence, exitCode })}\n`);
  }
  return exitCode;
}
