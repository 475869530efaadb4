import { edgeProblems } from '#contracts/edge';
import { contractProblems, nameTwice, type Problem } from '#kit/contract';

/**
 * What is refused by its head alone, before it costs anything. Node's parser (llhttp, strict) refuses broken HTTP; this looks
 * at what is well formed and still means trouble: heads that the next hop could read another way (request smuggling), paths
 * that climb, methods that nobody here speaks.
 */
export interface Head {
  readonly method: string;
  readonly target: string;
  /** Name, value, name, value: as they came, repeats included. */
  readonly rawHeaders: readonly string[];
  readonly httpVersion: string;
}

const methods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
const allow = [...methods].join(', ');
const targetLengthMax = 8_192;
const malformed = (detail: string): Problem => contractProblems['malformed-request']({ detail });

/** Undefined when nothing speaks against it. */
export function refuse(head: Head): Problem | undefined {
  if (!methods.has(head.method))
    return contractProblems['method-not-allowed']({ detail: 'this method is not served', headers: { allow } });
  return refuseTarget(head.target) ?? refuseHeaders(head);
}

function refuseTarget(target: string): Problem | undefined {
  if (target.length > targetLengthMax) return edgeProblems['target-too-long']();
  if (!target.startsWith('/') || target.startsWith('//')) return malformed('send the path of the target alone');
  const [path = ''] = target.split('?', 1);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  if (/[\x00-\x20\x7f\\#]|%(?:00|0[ad]|2f|5c)/i.test(path))
    return malformed('the path has characters that hide others');
  // What a hop might decode once more.
  const plain = path.replaceAll(/%25/gi, '%').replaceAll(/%2e/gi, '.');
  if (plain.split('/').some((part) => part === '..' || part === '.')) return malformed('the path climbs');
  return undefined;
}

function refuseHeaders({ method, rawHeaders, httpVersion }: Head): Problem | undefined {
  const twice = nameTwice(rawHeaders);
  if (twice !== undefined) return malformed(`${twice} came twice`);
  const seen = new Map<string, string>();
  for (let i = 0; i < rawHeaders.length; i += 2) {
    seen.set((rawHeaders[i] as string).toLowerCase(), rawHeaders[i + 1] as string);
  }
  if (httpVersion === '1.1' && !seen.has('host')) return malformed('the Host header is missing');
  const length = seen.get('content-length');
  const coding = seen.get('transfer-encoding');
  if (length !== undefined && coding !== undefined) return malformed('two lengths');
  if (length !== undefined && !/^\d{1,15}$/.test(length)) return malformed('the length is no number');
  if (coding !== undefined && (coding !== 'chunked' || httpVersion !== '1.1')) {
    return edgeProblems['unknown-coding']();
  }
  if ((method === 'GET' || method === 'HEAD') && (coding !== undefined || Number(length ?? 0) > 0)) {
    return malformed('a body has no meaning here');
  }
  return undefined;
}
