import { readFileSync } from 'node:fs';
import Type from 'typebox';
import { Compile } from 'typebox/compile';
import { Settings } from 'typebox/system';
import { AssistantSchema, type AssistantSettings } from './assistant.ts';
import { exitCodes, Failure } from './failure.ts';
import { GatewaySchema, type GatewaySettings } from './gateway-settings.ts';
import { type Mail, MailSchema, mailMistakes } from './mail.ts';

/**
 * The topology: which services run in which processes, how many of each, on whose databases, with which payment
 * provider. The same code serves every topology; only this differs.
 */

/** All services, in the order in which they start; they drain in reverse, so the public door closes first. */
export const serviceNames = [
  'payment-sandbox',
  'users',
  'products',
  'inventory',
  'payments',
  'orders',
  'carts',
  'tills',
  'notifications',
  'analytics',
  'assistant',
  'webhooks',
  'gateway',
] as const;

/** What may stand before the gateways, in the order in which they start: those inside first. */
const frontNames = ['balancer', 'edge'] as const;
export type ServiceName = (typeof serviceNames)[number] | (typeof frontNames)[number];
const allNames: readonly ServiceName[] = [...serviceNames, ...frontNames];

/** Services that keep nothing of their own. */
const withoutDatabase: ReadonlySet<ServiceName> = new Set(['payment-sandbox', ...frontNames]);
export const hasDatabase = (service: ServiceName): boolean => !withoutDatabase.has(service);

/** Processes that are alike: more are a mistake on one machine. */
export const instancesMax = 16;

/** It has one ledger, in a file. */
export const isSingle = (service: ServiceName): boolean => service === 'payment-sandbox';

const ServiceNameSchema = Type.Enum([...allNames]);
const urlPattern = '^(postgres(ql)?://.+|env:[A-Z_][A-Z0-9_]*)$';
const UrlSchema = Type.String({
  pattern: urlPattern,
  description: 'postgres://role:password@host:port/database, or env:NAME for a URL in an environment variable',
});
const closed = { additionalProperties: false } as const;

const ProcessSchema = Type.Object(
  {
    runs: Type.Array(ServiceNameSchema, {
      minItems: 1,
      maxItems: allNames.length,
      description:
        'Each service is in one process; payment-sandbox in none where the provider is stripe; balancer and edge may be left out where something else stands before the gateways, or nothing',
    }),
    instances: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: instancesMax,
        description: 'Copies of this process; default 1; payment-sandbox: 1',
      }),
    ),
  },
  closed,
);

const VariableSchema = Type.String({
  pattern: '^[A-Z_][A-Z0-9_]*$',
  description: 'Name of an environment variable; the secret itself is never in a file of ours',
});

const ProviderSchema = Type.Union([
  Type.Object({ kind: Type.Literal('sandbox') }, closed),
  Type.Object(
    {
      kind: Type.Literal('stripe'),
      secretKeyVariable: VariableSchema,
      webhookSecretVariable: VariableSchema,
    },
    closed,
  ),
]);

const CallPolicySchema = Type.Object(
  {
    tryTimeoutMs: Type.Optional(
      Type.Integer({ minimum: 10, maximum: 600_000, description: 'For one try; default 2000 or as the contract says' }),
    ),
    triesMax: Type.Optional(Type.Integer({ minimum: 1, maximum: 3, description: 'Tries in all; default 3' })),
    hedge: Type.Optional(Type.Boolean({ description: 'A second try beside a slow one; for idempotent reads only' })),
    concurrencyMax: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 10_000, description: 'Calls under way from one process; default 128' }),
    ),
    balancing: Type.Optional(
      Type.Union(
        [
          Type.Object({ kind: Type.Literal('least-loaded') }, closed),
          Type.Object({ kind: Type.Literal('round-robin') }, closed),
          Type.Object({ kind: Type.Literal('hash'), header: Type.String({ maxLength: 100 }) }, closed),
          Type.Object({ kind: Type.Literal('hash'), parameter: Type.String({ maxLength: 100 }) }, closed),
        ],
        { description: 'Which instance takes a call; default the less loaded of two; hash keeps a value at one' },
      ),
    ),
  },
  closed,
);

const placePattern = '^[a-z][a-z0-9-]{0,30}$';

const MeshSchema = Type.Object(
  {
    region: Type.Optional(Type.String({ pattern: placePattern, description: 'Default local' })),
    cell: Type.Optional(Type.String({ pattern: placePattern, description: 'Default main' })),
    zone: Type.Optional(
      Type.String({ pattern: placePattern, description: 'Callers prefer instances of their own zone; default a' }),
    ),
    policies: Type.Optional(
      Type.Record(Type.String({ pattern: '^(\\*|[a-z][a-z-]*(\\.[A-Za-z]+)?)$' }), CallPolicySchema, {
        ...closed,
        description: 'How operations are called, by orders.place, orders or *: what it says goes before the contract',
      }),
    ),
  },
  closed,
);
export type CallPolicies = NonNullable<Type.Static<typeof MeshSchema>['policies']>;

const EdgeSchema = Type.Object(
  {
    tls: Type.Optional(
      Type.Object(
        {
          certFile: Type.String({ description: 'Certificates in PEM, the leaf first' }),
          keyFile: Type.String({ description: 'Their key' }),
        },
        {
          ...closed,
          description: 'Of the edge; default: a certificate for localhost by an authority in the data directory',
        },
      ),
    ),
  },
  closed,
);

const WebhooksSchema = Type.Object(
  {
    privateAddresses: Type.Optional(
      Type.Boolean({
        description:
          'Lets webhook endpoints be plain http, on this machine or in this network: for tests only; default false',
      }),
    ),
  },
  closed,
);

/** What a topology file holds. */
export const TopologySchema = Type.Object(
  {
    processes: Type.Record(Type.String({ pattern: '^[a-z][a-z0-9-]{0,30}$' }), ProcessSchema, {
      ...closed,
      description: 'Name → what runs in it. A single process runs inside the command itself, without children',
    }),
    database: Type.Optional(
      Type.Object(
        {
          adminUrl: Type.Optional(
            Type.String({
              pattern: urlPattern,
              description:
                'Who may make roles and databases on any PostgreSQL ≥ 15; without it the embedded server is started',
            }),
          ),
          port: Type.Optional(
            Type.Integer({ minimum: 1, maximum: 65535, description: 'Of the embedded server; default: any free one' }),
          ),
          settings: Type.Optional(
            Type.Record(Type.String(), Type.Union([Type.String(), Type.Number(), Type.Boolean()]), {
              description: 'Of the embedded server: any of PostgreSQL',
            }),
          ),
          services: Type.Optional(
            Type.Record(Type.String({ pattern: `^(${serviceNames.join('|')})$` }), UrlSchema, {
              ...closed,
              description: 'Databases made by someone else, by service',
            }),
          ),
        },
        closed,
      ),
    ),
    provider: Type.Optional(ProviderSchema),
    mail: Type.Optional(MailSchema),
    assistant: Type.Optional(AssistantSchema),
    webhooks: Type.Optional(WebhooksSchema),
    mesh: Type.Optional(MeshSchema),
    gateway: Type.Optional(GatewaySchema),
    edge: Type.Optional(EdgeSchema),
    events: Type.Optional(
      Type.Object(
        {
          keepDays: Type.Optional(
            Type.Integer({
              minimum: 1,
              maximum: 36_500,
              description:
                'How far the log of events reaches back; default 30; what has gone can no longer rebuild a read model',
            }),
          ),
        },
        closed,
      ),
    ),
  },
  closed,
);

type TopologyFile = Type.Static<typeof TopologySchema>;
export type Provider = Type.Static<typeof ProviderSchema>;

export interface ProcessTopology {
  readonly name: string;
  readonly runs: readonly ServiceName[];
  readonly instances: number;
}

export interface Topology {
  readonly name: string;
  /** In start order. */
  readonly processes: readonly ProcessTopology[];
  readonly mesh: {
    readonly region: string;
    readonly cell: string;
    readonly zone: string;
    readonly policies?: CallPolicies;
  };
  /** Everything runs in the process that was started. */
  readonly isOneProcess: boolean;
  readonly database: NonNullable<TopologyFile['database']>;
  readonly provider: Provider;
  /** Without it, mails are kept to be read. Its URL may still be `env:NAME`. */
  readonly mail?: Mail;
  readonly assistant?: AssistantSettings;
  readonly webhooks: NonNullable<TopologyFile['webhooks']>;
  /** Its `valkey` may still be `env:NAME`. */
  readonly gateway: GatewaySettings;
  readonly edge: NonNullable<TopologyFile['edge']>;
  readonly events: NonNullable<TopologyFile['events']>;
}

/** Everything in one process: a laptop, a shop, a test. */
export const oneProcess: TopologyFile = { processes: { all: { runs: [...serviceNames] } } };

/** Each service in a process of its own, as on many machines. */
export const processPerService: TopologyFile = {
  processes: Object.fromEntries(serviceNames.map((service) => [service, { runs: [service] }])),
};

/** Everything as often as a busy shop wants it, behind balancer and edge: what is there twice can go without being missed. */
export const shop: TopologyFile = {
  processes: {
    sandbox: { runs: ['payment-sandbox'] },
    users: { runs: ['users'], instances: 3 },
    products: { runs: ['products'], instances: 5 },
    inventory: { runs: ['inventory'], instances: 2 },
    payments: { runs: ['payments'], instances: 2 },
    orders: { runs: ['orders'], instances: 4 },
    carts: { runs: ['carts'], instances: 2 },
    tills: { runs: ['tills'], instances: 2 },
    notifications: { runs: ['notifications'], instances: 2 },
    analytics: { runs: ['analytics'] },
    assistant: { runs: ['assistant'] },
    webhooks: { runs: ['webhooks'] },
    gateway: { runs: ['gateway'], instances: 2 },
    balancer: { runs: ['balancer'], instances: 2 },
    edge: { runs: ['edge'], instances: 2 },
  },
  gateway: { edgeCacheSec: 10 },
  database: { settings: { max_connections: 600 } },
};

const builtIn: Readonly<Record<string, TopologyFile>> = {
  'one-process': oneProcess,
  'process-per-service': processPerService,
  shop,
};

/** A built-in topology by name, or one from a JSON file. Throws a `Failure` that lists every mistake. */
export function loadTopology(nameOrFile: string): Topology {
  const known = Object.hasOwn(builtIn, nameOrFile) ? builtIn[nameOrFile] : undefined;
  return known ? toTopology(nameOrFile, known) : toTopology(nameOrFile, readTopologyFile(nameOrFile));
}

function readTopologyFile(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    const names = Object.keys(builtIn).join(', ');
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new Failure(
      exitCodes.usage,
      isMissing
        ? `There is no topology "${path}": give one of ${names}, or the path of a JSON file.`
        : `The topology file ${path} can't be read (${whyUnreadable(error as NodeJS.ErrnoException)}): give a JSON file, or one of ${names}.`,
    );
  }
}

/** Without the text at that place, which V8 would add: a password may stand there. */
function whyUnreadable(error: NodeJS.ErrnoException): string {
  if (error.code === 'EISDIR') return 'it is a directory';
  if (!(error instanceof SyntaxError)) return error.code ?? error.message;
  const [place] = /line \d+ column \d+/.exec(error.message) ?? [];
  return `it is not valid JSON${place === undefined ? '' : `, ${place}`}`;
}

const compile = () => Compile(TopologySchema);
let compiled: ReturnType<typeof compile> | undefined;

/** Compiled where a file is read; most processes are told what they run. */
function validator(): ReturnType<typeof compile> {
  compiled ??= compile();
  return compiled;
}

function toTopology(name: string, file: unknown): Topology {
  const mistakes = [
    ...(validator().Check(file) ? placementMistakes(file) : shapeMistakes(file)),
    ...mailMistakes((file as Partial<TopologyFile> | null)?.mail, process.env),
  ];
  if (mistakes.length > 0 || !validator().Check(file)) {
    throw new Failure(
      exitCodes.usage,
      `The topology ${name} has mistakes:\n${mistakes.map((line) => `  - ${line}`).join('\n')}`,
    );
  }
  const processes = Object.entries(file.processes).map(([processName, { runs, instances = 1 }]) => ({
    name: processName,
    runs: allNames.filter((service) => runs.includes(service)),
    instances,
  }));
  const rank = (runs: readonly ServiceName[]) => Math.max(...runs.map((service) => allNames.indexOf(service)));
  processes.sort((a, b) => rank(a.runs) - rank(b.runs));
  return {
    name,
    processes,
    isOneProcess: processes.length === 1 && processes[0]?.instances === 1,
    mesh: { region: 'local', cell: 'main', zone: 'a', ...file.mesh },
    database: file.database ?? {},
    provider: file.provider ?? { kind: 'sandbox' },
    ...(file.mail ? { mail: file.mail } : {}),
    ...(file.assistant ? { assistant: file.assistant } : {}),
    webhooks: file.webhooks ?? {},
    gateway: file.gateway ?? {},
    edge: file.edge ?? {},
    events: file.events ?? {},
  };
}

const mistakesMax = 50;

function shapeMistakes(file: unknown): string[] {
  const errors = ofMeantKinds(allErrors(file).filter(({ keyword }) => keyword !== 'boolean'));
  const lines = errors.map((error) => {
    const at = error.instancePath === '' ? 'the file' : error.instancePath.slice(1).replaceAll('/', '.');
    const names = 'additionalProperties' in error.params ? error.params.additionalProperties : undefined;
    if (names) return `${at} has unknown names: ${names.map((name) => name || '""').join(', ')}`;
    if (error.keyword === 'const') return `${at} must be one of: ${kindsAt(errors, error.instancePath).join(', ')}`;
    const allowed = 'allowedValues' in error.params ? `: ${error.params.allowedValues.join(', ')}` : '';
    return `${at} ${error.message}${allowed}`;
  });
  return [...new Set(lines)].slice(0, mistakesMax);
}

type ShapeError = ReturnType<typeof allErrors>[number];

/** Where there are several kinds of something, each that it is not complains too: only what is said of the kind that is meant. */
function ofMeantKinds(errors: readonly ShapeError[]): ShapeError[] {
  const kindOf = ({ schemaPath }: ShapeError) => /^.*?\/anyOf\/\d+/.exec(schemaPath)?.[0];
  const others = new Set(errors.filter(({ keyword }) => keyword === 'const').map(kindOf));
  const unionOf = (kind: string) => kind.slice(0, kind.lastIndexOf('/') + 1);
  const isKnown = (union: string) =>
    errors.some((error) => {
      const kind = kindOf(error);
      return kind?.startsWith(union) === true && !others.has(kind);
    });
  return errors.filter((error) => {
    const kind = kindOf(error);
    if (error.keyword === 'anyOf' || kind === undefined) return error.keyword !== 'anyOf';
    return isKnown(unionOf(kind)) ? !others.has(kind) : error.keyword === 'const';
  });
}

function kindsAt(errors: readonly ShapeError[], path: string): unknown[] {
  return errors.flatMap(({ keyword, instancePath, params }) =>
    keyword === 'const' && instancePath === path && 'allowedValue' in params ? [params.allowedValue] : [],
  );
}

/** The library stops after eight errors unless told otherwise, and that setting is global: so only for this call. */
function allErrors(file: unknown) {
  const { maxErrors } = Settings.Get();
  Settings.Set({ maxErrors: mistakesMax });
  try {
    return validator().Errors(file);
  } finally {
    Settings.Set({ maxErrors });
  }
}

function placementMistakes(file: TopologyFile): string[] {
  const mistakes: string[] = [];
  const provider = file.provider?.kind ?? 'sandbox';
  for (const service of allNames) {
    const places = Object.entries(file.processes).filter(([, { runs }]) => runs.includes(service));
    const isNeeded = service === 'payment-sandbox' ? provider === 'sandbox' : hasDatabase(service);
    if (places.length === 0 && isNeeded) mistakes.push(`${service} runs nowhere: add it to "runs" of a process`);
    if (places.length > 0 && service === 'payment-sandbox' && provider !== 'sandbox') {
      mistakes.push(
        `${service} runs, and the provider is ${provider}: leave it out, or orders would be paid with no money`,
      );
    }
    if (places.length > 1) {
      mistakes.push(
        `${service} is in ${places.map(([name]) => name).join(' and ')}: name it in one process, with "instances"`,
      );
    }
  }
  for (const [name, { runs, instances = 1 }] of Object.entries(file.processes)) {
    if (new Set(runs).size !== runs.length) mistakes.push(`processes.${name}.runs names a service twice`);
    for (const single of runs.filter(isSingle)) {
      if (instances > 1) mistakes.push(`processes.${name}: ${single} can only run once on a machine`);
    }
    // It is what strangers talk to, so there is nothing in its process to steal.
    if (runs.includes('edge') && runs.length > 1) mistakes.push(`processes.${name}: edge runs in a process of its own`);
  }
  const runsSomewhere = (service: ServiceName) =>
    Object.values(file.processes).some(({ runs }) => runs.includes(service));
  if (runsSomewhere('edge') && !runsSomewhere('balancer')) mistakes.push('edge needs a balancer behind it: add one');
  if (file.database?.adminUrl && (file.database.port || file.database.settings)) {
    mistakes.push('database.port and database.settings are for the embedded server: leave them out with adminUrl');
  }
  return mistakes;
}
