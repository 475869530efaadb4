import { gatewayProblems } from '#contracts/gateway';
import type { OperationDescription } from '#kit/contract';
import type { Clock } from '#kit/runtime';

/** How long something stays: an operation, or a whole version of the interface. Dates as RFC 3339, `2027-01-31T00:00:00Z`. */
export interface Lifecycle {
  /** Since when clients are asked to leave it. */
  readonly deprecatedAt?: string;
  /** From then on it answers 410. */
  readonly sunsetAt?: string;
  /** Where it says what to use instead. */
  readonly see?: string;
}

export interface ApiVersion extends Lifecycle {
  /** First part of the path: `/v1/orders`. Without one, the latest is meant. */
  readonly name: string;
}

/** Set on requests by `versionedUrl`, and on no other way: it is ours, so nothing of a client's gets this far. */
export const versionHeader = 'holdfast-api-version';

interface Incoming {
  readonly url?: string | undefined;
  readonly headers: Record<string, string | string[] | undefined>;
}

const vCode = 'v'.charCodeAt(0);

/** Takes the version off the path and notes it. */
export function versionedUrl(versions: readonly ApiVersion[], request: Incoming): string {
  const { url = '/', headers } = request;
  // Only where there is one: an object that something was deleted from is slow from then on.
  if (headers[versionHeader] !== undefined) delete headers[versionHeader];
  if (url.charCodeAt(1) !== vCode) return url;
  const [, name = ''] = /^\/(v\d{1,3})(?=[/?]|$)/.exec(url) ?? [];
  if (!versions.some((version) => version.name === name)) return url;
  headers[versionHeader] = name;
  const rest = url.slice(name.length + 1);
  return rest.startsWith('/') ? rest : `/${rest}`;
}

/** Deprecation (RFC 9745), Sunset (RFC 8594), and a link to what to do. */
export function lifecycleHeaders({ deprecatedAt, sunsetAt, see }: Lifecycle): Record<string, string> {
  const headers: Record<string, string> = {};
  if (deprecatedAt !== undefined) headers['deprecation'] = `@${Math.floor(Date.parse(deprecatedAt) / 1_000)}`;
  if (sunsetAt !== undefined) headers['sunset'] = new Date(sunsetAt).toUTCString();
  if (see !== undefined) headers['link'] = `<${see}>; rel="deprecation"; type="text/html"`;
  return headers;
}

export interface Lifecycles {
  /** Headers for a request's reply; undefined for what simply stays, which is nearly everything. Throws 410 past its sunset. */
  check(operation: OperationDescription, version: string | undefined): Readonly<Record<string, string>> | undefined;
}

export function createLifecycles(versions: readonly ApiVersion[], clock: Clock): Lifecycles {
  const known = new Map(versions.map((version) => [version.name, version]));
  const isMortal = (one: Lifecycle | undefined): one is Lifecycle =>
    one !== undefined && (one.deprecatedAt !== undefined || one.sunsetAt !== undefined);

  return {
    check(operation, version) {
      const all: (Lifecycle | undefined)[] = [operation.deprecated, known.get(version ?? '')];
      const ends = all.filter(isMortal);
      const [first] = ends;
      if (!first) return undefined;
      for (const one of ends) {
        if (one.sunsetAt !== undefined && Date.parse(one.sunsetAt) <= clock.now()) {
          throw gatewayProblems.gone({ detail: `it ended at ${one.sunsetAt}`, headers: lifecycleHeaders(one) });
        }
      }
      return lifecycleHeaders(first);
    },
  };
}
