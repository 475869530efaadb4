import { resolveAssistant } from './assistant.ts';
import { exitCodes, Failure } from './failure.ts';
import { readKeyPair } from './key-pair.ts';
import type { Topology } from './topology.ts';

/**
 * What a topology takes from its surroundings, looked at before anything starts: variables of the environment, files of
 * certificates. Throws a `Failure` that names all that is missing.
 */
export function requireSurroundings(topology: Topology, environment: NodeJS.ProcessEnv): void {
  const { database, provider, gateway, assistant, edge } = topology;
  const urls = [database.adminUrl, ...Object.values(database.services ?? {}), gateway.valkey];
  const secrets = provider.kind === 'stripe' ? [provider.secretKeyVariable, provider.webhookSecretVariable] : [];
  const mistakes = [
    ...urls.map((url) => () => url && resolveUrl(url, environment)),
    ...secrets.map((name) => () => resolveSecret(name, environment)),
    () => assistant && resolveAssistant(assistant, environment),
    () => edge.tls && readKeyPair(edge.tls),
  ].flatMap(mistakeOf);
  if (mistakes.length === 0) return;
  throw new Failure(exitCodes.usage, mistakes.join('\n'));
}

function mistakeOf(look: () => unknown): string[] {
  try {
    look();
    return [];
  } catch (error) {
    if (error instanceof Failure) return [error.message];
    throw error;
  }
}

export function resolveSecret(name: string, environment: NodeJS.ProcessEnv): string {
  const value = environment[name];
  if (value) return value;
  throw new Failure(
    exitCodes.usage,
    `The topology takes a secret of the payment provider from ${name}, which is not set: set it in the environment.`,
  );
}

/** The URL, read from the environment where the topology says so. */
export function resolveUrl(text: string, environment: NodeJS.ProcessEnv): string {
  if (!text.startsWith('env:')) return text;
  const name = text.slice('env:'.length);
  const url = environment[name];
  if (!url) {
    throw new Failure(
      exitCodes.usage,
      `The topology takes a URL from ${name}, which is not set: set it, or write the URL.`,
    );
  }
  if (URL.canParse(url)) return url;
  throw new Failure(
    exitCodes.usage,
    `${name} holds no URL, as the topology wants it: give one, as scheme://host:port.`,
  );
}
