import type { SettingView } from '#contracts/operators';
import type { ProcessesOptions } from './processes.ts';
import type { Topology } from './topology.ts';

type Options = Pick<ProcessesOptions, 'topology' | 'telemetry' | 'faults'>;

/** What the system was started with, for people to read. No secret is in it: URLs come without user and password. */
export function settingsOf({ topology, telemetry, faults }: Options): SettingView[] {
  return [
    ...systemSettings(topology),
    ...doorSettings(topology),
    setting('payments', 'Provider', topology.provider.kind, 'topology: provider', topology.provider.kind === 'sandbox'),
    setting('mail', 'Server', mailText(topology), 'topology: mail', topology.mail === undefined),
    setting(
      'assistant',
      'Language model',
      topology.assistant ? masked(topology.assistant.url) : 'none: answers are put together from facts',
      'topology: assistant',
      topology.assistant === undefined,
    ),
    setting(
      'webhooks',
      'Private addresses',
      topology.webhooks.privateAddresses ? 'allowed' : 'refused',
      'topology: webhooks.privateAddresses',
      !topology.webhooks.privateAddresses,
    ),
    setting(
      'events',
      'Kept',
      `${topology.events.keepDays ?? keepDaysDefault} days`,
      'topology: events.keepDays',
      topology.events.keepDays === undefined,
    ),
    setting(
      'traces',
      'Share of requests recorded',
      telemetry?.traceRatio === undefined ? 'as --help says' : `${telemetry.traceRatio * 100} %`,
      'holdfast up --trace-ratio',
      telemetry?.traceRatio === undefined,
    ),
    setting(
      'traces',
      'Sent to',
      telemetry?.otlpUrl === undefined ? 'nowhere' : masked(telemetry.otlpUrl),
      'holdfast up --otlp',
      telemetry?.otlpUrl === undefined,
    ),
    setting('faults', 'Laboratory', faults ? 'open' : 'closed', 'holdfast up --faults', !faults),
  ];
}

const keepDaysDefault = 30;
const perSecondDefault = 1_000;

function systemSettings({ name, processes, database }: Topology): SettingView[] {
  const runs = processes.map((one) => `${one.name}${one.instances > 1 ? ` × ${one.instances}` : ''}`);
  const server = database.adminUrl === undefined ? 'embedded' : masked(database.adminUrl);
  return [
    setting('system', 'Topology', name, 'holdfast up --topology', name === 'one-process'),
    setting('system', 'Processes', runs.join(', '), 'topology: processes', name === 'one-process'),
    setting('system', 'PostgreSQL', server, 'topology: database', database.adminUrl === undefined),
  ];
}

function doorSettings({ gateway }: Topology): SettingView[] {
  const { limits = {}, cors, trustedProxies, edgeCacheSec, valkey } = gateway;
  const perSecond = (count: number | undefined) => `${count ?? perSecondDefault} requests a second`;
  const origins = cors === undefined || cors.length === 0 ? 'none' : typeof cors === 'string' ? cors : cors.join(', ');
  const of = (name: string, value: string, path: string, set: unknown) =>
    setting('door', name, value, `topology: gateway.${path}`, set === undefined);
  return [
    of('Limit of a user', perSecond(limits.perUser), 'limits.perUser', limits.perUser),
    of('Limit of an address', perSecond(limits.perAddress), 'limits.perAddress', limits.perAddress),
    of('Origins that may call', origins, 'cors', cors),
    of('Proxies in front', String(trustedProxies ?? 0), 'trustedProxies', trustedProxies),
    of('Caches keep product reads', `${edgeCacheSec ?? 0} s`, 'edgeCacheSec', edgeCacheSec),
    of('Limits kept together in', valkey === undefined ? 'no Valkey' : masked(valkey), 'valkey', valkey),
  ];
}

function mailText({ mail }: Topology): string {
  return mail === undefined ? 'none: mails are kept to be read' : `${masked(mail.url)}, from ${mail.from}`;
}

function setting(area: string, name: string, value: string, where: string, isDefault: boolean): SettingView {
  return { area, name, value, isDefault, where };
}

/** A URL without user and password; `env:NAME` says no more than it does. */
function masked(text: string): string {
  if (text.startsWith('env:')) return text;
  try {
    const url = new URL(text);
    const who = url.username || url.password ? '***@' : '';
    return `${url.protocol}//${who}${url.host}${url.pathname}`;
  } catch {
    return '***';
  }
}
