import type { Finding } from './fuzz.ts';

const bodyCharsMax = 400;

/** What was asked, what came back and what is wrong with that, in lines for people. */
export function textOf({ operation, role, fault, status, shot, reply, count }: Finding): string {
  const { method, url, headers, body = '' } = shot;
  const times = count > 1 ? `, ${count} times` : '';
  return [
    `${operation} for ${role}: ${status ?? ''} ${fault}${times}`,
    `  ${method} ${url.slice(0, bodyCharsMax)} ${JSON.stringify(headers)} ${body.slice(0, bodyCharsMax)}`,
    `  ${reply}`,
  ].join('\n');
}
