import { type EdgePlan, planOf, renderers } from '#edge/render';
import { addressFrom } from './address.ts';
import { alertRules, toYaml } from './alert-rules.ts';
import { publicContracts } from './compose.ts';
import { type ExitCode, exitCodes, Failure } from './failure.ts';
import { shopObjectives } from './objectives.ts';
import { loadTopology } from './topology.ts';

export interface RenderOptions {
  readonly topology: string;
  readonly listen: string;
  /** Where the gateways answer: `host:port`, one for each that the topology runs. */
  readonly gateway?: readonly string[];
  readonly tlsCert?: string;
  readonly tlsKey?: string;
}

const gatewayPortDefault = 4080;

/** Prints the configuration of another program for what stands in front of a topology's gateways. */
export function renderCommand(program: string, options: RenderOptions): ExitCode {
  if (program === 'alerts') {
    process.stdout.write(toYaml(alertRules(shopObjectives())));
    return exitCodes.ok;
  }
  if (!Object.hasOwn(renderers, program)) {
    throw misuse(`There is no "${program}" to render for: give ${[...Object.keys(renderers), 'alerts'].join(', ')}.`);
  }
  const render = renderers[program as keyof typeof renderers];
  process.stdout.write(render(planFrom(options)));
  return exitCodes.ok;
}

function planFrom({ topology: name, listen, gateway, tlsCert, tlsKey }: RenderOptions): EdgePlan {
  const topology = loadTopology(name);
  const count = topology.processes.find(({ runs }) => runs.includes('gateway'))?.instances ?? 1;
  if (gateway && gateway.length !== count) {
    throw misuse(
      `The topology ${name} runs ${count} gateways, and ${gateway.length} are named: give --gateway for each.`,
    );
  }
  if ((tlsCert === undefined) !== (tlsKey === undefined))
    throw misuse('Give both --tls-cert and --tls-key, or neither.');
  const { perAddress } = topology.gateway.limits ?? {};
  const usual = Array.from({ length: count }, (_, i) => ({ host: '127.0.0.1', port: gatewayPortDefault + i }));
  return planOf({
    contracts: publicContracts,
    listen: addressFrom(listen),
    gateways: gateway?.map(addressFrom) ?? usual,
    ...(perAddress === undefined ? {} : { perAddress }),
    ...(tlsCert !== undefined && tlsKey !== undefined ? { tls: { certFile: tlsCert, keyFile: tlsKey } } : {}),
  });
}

const misuse = (sentence: string): Failure => new Failure(exitCodes.usage, sentence);
