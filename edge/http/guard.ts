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

export interface Refusal {
  readonly status: 400 | 405 | 414 | 501;
  readonly why: string;
}

const methods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
const targetLengthMax = 8_192;
/** Each may come once: of two, one hop takes the first and the next the last. */
const single: ReadonlySet<string> = new Set([
  'host',
  'content-length',
  'transfer-encoding',
  'authorization',
  'content-type',
]);

/** Undefined when nothing speaks against it. */
export function refuse(head: Head): Refusal | undefined {
  if (!methods.has(head.method)) return { status: 405, why: 'this method is not served' };
  return refuseTarget(head.target) ?? refuseHeaders(head);
}

function refuseTarget(target: string): Refusal | undefined {
  if (target.length > targetLengthMax) return { status: 414, why: 'the target is too long' };
  if (!target.startsWith('/') || target.startsWith('//'))
    return { status: 400, why: 'send the path of the target alone' };
  const [path = ''] = target.split('?', 1);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  if (/[\x00-\x20\x7f\\#]|%(?:00|0[ad]|2f|5c)/i.test(path))
    return { status: 400, why: 'the path has characters that hide others' };
  // What a hop might decode once more.
  const plain = path.replaceAll(/%25/gi, '%').replaceAll(/%2e/gi, '.');
  if (plain.split('/').some((part) => part === '..' || part === '.')) return { status: 400, why: 'the path climbs' };
  return undefined;
}

function refuseHeaders({ method, rawHeaders, httpVersion }: Head): Refusal | undefined {
  const seen = new Map<string, string>();
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] as string).toLowerCase();
    if (seen.has(name) && single.has(name)) return { status: 400, why: `${name} came twice` };
    seen.set(name, rawHeaders[i + 1] as string);
  }
  const length = seen.get('content-length');
  const coding = seen.get('transfer-encoding');
  if (length !== undefined && coding !== undefined) return { status: 400, why: 'two lengths' };
  if (length !== undefined && !/^\d{1,15}$/.test(length)) return { status: 400, why: 'the length is no number' };
  if (coding !== undefined && (coding !== 'chunked' || httpVersion !== '1.1')) {
    return { status: 501, why: 'this transfer coding is not served' };
  }
  if ((method === 'GET' || method === 'HEAD') && (coding !== undefined || Number(length ?? 0) > 0)) {
    return { status: 400, why: 'a body has no meaning here' };
  }
  return undefined;
}
