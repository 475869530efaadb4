import { readFileSync } from 'node:fs';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import type { DeadLettersOptions } from './dead-letters.ts';
import { type ExitCode, exitCodes, explain } from './failure.ts';
import { addLookCommands } from './look/commands.ts';
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
  .option('--topology <name-or-file>', 'one-process, process-per-service, shop, or a JSON file', 'one-process')
  .option('--port <port>', 'port of the gateway', parsePort, 4080)
  .option('--internal-port <port>', 'port of metrics and traces (default: the next after --port if free)', parsePort)
  .option(
    '--https-port <port>',
    'port of the edge with TLS, in a topology that has one (default: 8443 if free)',
    parsePort,
  )
  .option('--host <address>', 'address of the gateway; 0.0.0.0 for every network', '127.0.0.1')
  .option('--data-dir <directory>', 'where everything is kept (default: .holdfast in the checkout)')
  .option(
    '--trace-ratio <share>',
    'share of requests recorded whole beyond 5 a second of each kind, 0 to 1; 0: none (default: 0.01)',
    parseShare,
  )
  .option('--otlp <url>', 'send traces and log lines to this collector too, by OTLP over HTTP', parseHttpUrl)
  .option('--no-apps', 'serve the API alone, without storefront, till and console')
  .option('--faults', 'open the fault laboratory of the console: staff can break this system on purpose', false)
  .option('--json', 'print one line of JSON with the URLs on standard output', false)
  .option('--quiet', 'say nothing about the start', false)
  .action(async (options) => {
    // Loaded when wanted: the services and their libraries take a second that other commands need not pay.
    const { up } = await import('./up.ts');
    process.exitCode = await up(options);
  });

/** What commands that operate a running system have in common. */
const operateCommand = (nameAndArguments: string, description: string) =>
  program
    .command(nameAndArguments)
    .description(description)
    .option('--data-dir <directory>', 'the system that runs on this data (default: the one of this checkout)')
    .option('--json', 'print one line of JSON with the result on standard output', false);

operateCommand('status', 'show every process of the running system; ends with 4 when one is not well').action(
  async (options) => {
    const { statusCommand } = await import('./operate.ts');
    process.exitCode = await statusCommand(options);
  },
);
operateCommand('scale <service=number>', 'have so many instances of a service, as orders=6').action(
  async (text, options) => {
    const { scaleCommand } = await import('./operate.ts');
    process.exitCode = await scaleCommand(text, options);
  },
);
operateCommand('restart [names...]', 'restart services or processes, or everything')
  .option('--rolling', 'one after the other, each replaced before it leaves: nobody notices', false)
  .action(async (names, options) => {
    const { restartCommand } = await import('./operate.ts');
    process.exitCode = await restartCommand(names, options);
  });
operateCommand('revoke <process-or-serial>', 'take a certificate out of use at once; its process is replaced').action(
  async (certificate, options) => {
    const { revokeCommand } = await import('./operate.ts');
    process.exitCode = await revokeCommand(certificate, options);
  },
);
for (const [name, does] of [
  ['kill', 'end a process as a crash would (SIGKILL); it is started again'],
  ['pause', 'stop a process in its tracks (SIGSTOP)'],
  ['resume', 'let a paused process go on'],
] as const) {
  operateCommand(`${name} <process>`, does).action(async (instance, options) => {
    const { signalCommand } = await import('./operate.ts');
    process.exitCode = await signalCommand(name, instance, options);
  });
}

addLookCommands(program);

/** What commands that bring files to a shop have in common. */
const fileCommand = (name: string) =>
  program
    .command(name)
    .argument('<files...>', 'CSV or NDJSON, plain or gzip (docs/guides/import.md)')
    .option('--json', 'print one line of JSON with the result on standard output', false)
    .option('--url <url>', 'a system that runs elsewhere; sign in by HOLDFAST_EMAIL and HOLDFAST_PASSWORD')
    .option('--token-file <file>', 'an access token of a staff account, instead of signing in')
    .option('--concurrency <number>', 'operations under way at once', parseConcurrency, 192)
    .option('--currency <code>', 'ISO 4217 code of the amounts', parseCurrency, 'GBP')
    .option('--rejects <file>', 'where lines go that could not be booked (default: beside the progress)');

fileCommand('import')
  .description('bring products, stock and invoices to a running shop')
  .option('--data-dir <directory>', 'the system that runs on this data (default: the one of this checkout)')
  .action(async (files, options) => {
    const { importCommand } = await import('./import.ts');
    process.exitCode = await importCommand(files, options);
  });

fileCommand('replay')
  .description('send invoices through a shop as orders and returns, and prove that its books balance')
  .option('--data-dir <directory>', 'the system on this data; it is started when it is not running')
  .action(async (files, options) => {
    const { replayCommand } = await import('./replay.ts');
    process.exitCode = await replayCommand(files, { ...options, mayStart: true });
  });

const deadLetters = program
  .command('dead-letters')
  .description('what readers of events could not handle (docs/guides/events.md)');

deadLetters
  .command('list', { isDefault: true })
  .description('all, oldest first, or those of one service')
  .argument('[service]', 'notifications, analytics, products or assistant')
  .action((service, _options, command) => runOn(command, (run, options) => run.listDeadLetters(service, options)));
deadLetters
  .command('show')
  .description('one with its event and the stack of its failure')
  .argument('<service>')
  .argument('<id>', 'as listed', parseLetterId)
  .action((service, id, _options, command) =>
    runOn(command, (run, options) => run.showDeadLetter(service, id, options)),
  );
deadLetters
  .command('replay')
  .description('hand it and all of its key over again, in order; ends with 5 when one fails again')
  .argument('<service>')
  .argument('<id>', 'as listed', parseLetterId)
  .action((service, id, _options, command) =>
    runOn(command, (run, options) => run.replayDeadLetter(service, id, options)),
  );
deadLetters
  .command('discard')
  .description('give it up for good')
  .argument('<service>')
  .argument('<id>', 'as listed', parseLetterId)
  .action((service, id, _options, command) =>
    runOn(command, (run, options) => run.discardDeadLetter(service, id, options)),
  );
for (const each of deadLetters.commands) {
  each
    .option('--json', 'print one line of JSON on standard output', false)
    .option('--data-dir <directory>', 'the system that runs on this data')
    .option('--url <url>', 'a system that runs elsewhere; sign in by HOLDFAST_EMAIL and HOLDFAST_PASSWORD')
    .option('--token-file <file>', 'an access token of a staff account, instead of signing in');
}

type DeadLetterCommands = typeof import('./dead-letters.ts');

async function runOn(
  command: Command,
  work: (commands: DeadLetterCommands, options: DeadLettersOptions) => Promise<ExitCode>,
): Promise<void> {
  process.exitCode = await work(await import('./dead-letters.ts'), command.opts());
}

program
  .command('simulate')
  .description('run the whole order path on virtual time, with faults drawn from seeds, and check every guarantee')
  .option('--seeds <range>', 'seeds to run, as 1..200')
  .option('--seed <number>', 'one seed', parseSeed)
  .option('--for <duration>', 'as many seeds as fit, as 90s, 10m or 1h')
  .option('--trace', 'with --seed: print a transcript and write a page with a space-time diagram')
  .option('--page <file>', 'where that page goes')
  .option('--history <file>', 'with --seed: write what the checkers look at, as holdfast check reads it')
  .option('--minimise', 'with --seed: look for the smallest run that still fails')
  .option('--bug <name>', 'plant a bug, to see it found; all: each in turn')
  .option('--list-bugs', 'name the bugs that can be planted')
  .option('--workers <number>', 'processes to use', parseConcurrency)
  .option('--json', 'print one JSON object')
  .option('--progress', 'say where it stands, also where standard error is no terminal')
  .action(async (options) => {
    const { runSimulation } = await import('./simulate.ts');
    process.exitCode = await runSimulation(options);
  });

program
  .command('chaos')
  .description('start real processes, break them and what is between them, heal, and check every guarantee')
  .argument('[scenario]', 'one that --list names, a class of faults, or faults by name: kill,partition', 'random')
  .option('--seed <number>', 'what is drawn from: the work, the faults, their times', parseSeed, 1)
  .option('--for <duration>', 'how long faults are injected, as 60s, 10m or 1h', '60s')
  .option('--topology <name-or-file>', 'as for up', 'process-per-service')
  .option('--clients <number>', 'clients at the public door (default: 8)', parseConcurrency)
  .option('--privileged', 'also faults that need privileges or tools, where this machine allows them')
  .option('--bug <name>', 'plant a bug, to see it found; all: each in turn')
  .option('--list-bugs', 'name the bugs that can be planted')
  .option('--plan', 'print what would be injected when, and start nothing')
  .option('--list', 'name the scenarios and the faults, and what each does')
  .option('--report <folder>', 'where the report goes (default: report in the data directory of this checkout)')
  .option('--json', 'print one JSON object')
  .action(async (scenario, options) => {
    const { runChaosCommand } = await import('./chaos.ts');
    process.exitCode = await runChaosCommand({ scenario, ...options });
  });

program
  .command('verify')
  .description('check the books of a data directory, running or stopped; ends with 5 when something does not hold')
  .option('--data-dir <directory>', 'whose books (default: .holdfast in the checkout)')
  .option('--json', 'print one line of JSON on standard output', false)
  .action(async (options) => {
    const { verifyCommand } = await import('./chaos.ts');
    process.exitCode = await verifyCommand(options);
  });

program
  .command('check')
  .description('run the checkers on a recorded history: linearizability, sessions, money, units, events, transactions')
  .argument('<file>', 'NDJSON, plain or gzip, or - for standard input (lab/checkers/README.md describes it)')
  .option('--json', 'print one line of JSON with the result on standard output')
  .action(async (file, options) => {
    const { checkCommand } = await import('./check.ts');
    process.exitCode = await checkCommand(file, options);
  });

program
  .command('edge')
  .description('stand in front of gateways: TLS, HTTP/2, a cache, balancing, until Ctrl-C')
  .option('--listen <address>', 'where browsers come, as host:port', '127.0.0.1:8443')
  .option('--gateway <addresses...>', 'where the gateways answer', ['127.0.0.1:4080'])
  .option('--purges <url>', 'what to forget: /purges of the internal port of a gateway', parseHttpUrl)
  .option('--tls-cert <file>', 'certificates in PEM, the leaf first; without them it speaks HTTP/1.1 in the clear')
  .option('--tls-key <file>', 'their key')
  .action(async (options) => {
    const { edgeCommand } = await import('./edge.ts');
    process.exitCode = await edgeCommand(options);
  });

program
  .command('render')
  .description(
    'print the configuration of nginx, HAProxy or Envoy for what stands in front of the gateways, or of alerts',
  )
  .argument('<program>', 'nginx, haproxy or envoy; alerts: rules for Prometheus')
  .option('--topology <name-or-file>', 'as for up', 'one-process')
  .option('--listen <address>', 'where it is to listen, as host:port', '0.0.0.0:8080')
  .option('--gateway <addresses...>', 'where the gateways answer (default: 127.0.0.1:4080, :4081, …)')
  .option('--tls-cert <file>', 'certificates in PEM, with the key in the same file for HAProxy')
  .option('--tls-key <file>', 'their key')
  .action(async (name, options) => {
    const { renderCommand } = await import('./render.ts');
    process.exitCode = renderCommand(name, options);
  });

program
  .command('version')
  .description('print the version')
  .option('--json', 'as JSON', false)
  .action(({ json }) => {
    process.stdout.write(json ? `${JSON.stringify({ version, node: process.version })}\n` : `${version}\n`);
  });

function parsePort(text: string): number {
  // Digits alone: 1e3 and 0x50 are numbers too, but nobody means them.
  const port = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (port >= 1 && port <= 65_535) return port;
  throw new InvalidArgumentError('Give a number from 1 to 65535.');
}

function parseLetterId(text: string): string {
  if (/^[0-9]{1,15}$/.test(text)) return text;
  throw new InvalidArgumentError('Give the number that "holdfast dead-letters list" shows first.');
}

function parseSeed(text: string): number {
  if (/^[0-9]{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Give a whole number.');
}

function parseShare(text: string): number {
  const share = text.trim() === '' ? Number.NaN : Number(text);
  if (share >= 0 && share <= 1) return share;
  throw new InvalidArgumentError('Give a number from 0 to 1, like 0.05.');
}

function parseHttpUrl(text: string): string {
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return text;
  throw new InvalidArgumentError('Give an address like http://127.0.0.1:4318.');
}

function parseConcurrency(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= 1_000) return value;
  throw new InvalidArgumentError('Give a number from 1 to 1000.');
}

function parseCurrency(text: string): string {
  if (Intl.supportedValuesOf('currency').includes(text)) return text;
  throw new InvalidArgumentError('Give the code of a currency (ISO 4217) in capital letters, like GBP.');
}

for (const command of program.commands) {
  command.showHelpAfterError(`Run "holdfast ${command.name()} --help" for what it takes.`);
}

// Whoever read what is printed here has gone (`| head`). A shop goes on without; what only follows has nobody to follow for.
process.stdout.on('error', ({ code }: NodeJS.ErrnoException) => {
  const command = process.argv[2] ?? '';
  if (code === 'EPIPE') {
    if (command === 'logs' || command === 'top') process.exit();
  } else if (command !== 'up' && command !== 'edge') {
    complain(`Standard output can't be written (${code}): free some space where it goes, or send it elsewhere.`);
    process.exit(exitCodes.unavailable);
  }
});

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = report(error);
}
// That something could not be written is told a turn later.
await new Promise((resolve) => setImmediate(resolve));
// Whatever is left over (a keep-alive socket, an unfinished timer) must not keep a command alive that has ended.
process.exit();

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
