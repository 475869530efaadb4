import { exitCodes, Failure } from './failure.ts';

/** `host:port`, as people write it. */
export function addressFrom(text: string): { readonly host: string; readonly port: number } {
  const [, bracketed, plain, port] = /^(?:\[([\da-fA-F:]+)\]|([\w.-]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined || Number(port) < 1 || Number(port) > 65_535) {
    throw new Failure(exitCodes.usage, `"${text}" is no address: give host:port, like 127.0.0.1:4080 or [::1]:4080.`);
  }
  return { host, port: Number(port) };
}

export const addressOf = ({ host, port }: { readonly host: string; readonly port: number }): string =>
  `${host.includes(':') ? `[${host}]` : host}:${port}`;
