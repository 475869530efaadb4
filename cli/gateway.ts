import type { GatewayOptions } from '#edge/gateway';
import { type CacheStore, createValkeyStore } from '#kit/cache';
import { createValkeySpending } from '#kit/limits';
import type { Component, World } from '#kit/runtime';
import { createValkey } from '#kit/valkey';
import type { GatewaySettings } from './gateway-settings.ts';

export interface GatewayParts {
  readonly options: Pick<GatewayOptions, 'limits' | 'cors' | 'trustedProxies'>;
  readonly cache: { readonly store?: CacheStore; readonly edgeTtlSec?: number };
  /** Started before the gateway. */
  readonly components: readonly Component[];
}

/** The settings as options. `instances` tells how many gateways there are now. */
export function connectGateway(settings: GatewaySettings, instances: () => number, { log }: World): GatewayParts {
  const { limits = {}, cors, trustedProxies } = settings;
  const valkey = settings.valkey === undefined ? undefined : createValkey({ url: settings.valkey, log });
  return {
    components: valkey ? [valkey.component] : [],
    cache: {
      ...(valkey ? { store: createValkeyStore({ valkey }) } : {}),
      ...(settings.edgeCacheSec === undefined ? {} : { edgeTtlSec: settings.edgeCacheSec }),
    },
    options: {
      limits: {
        ...(limits.perUser === undefined ? {} : { user: { quota: limits.perUser } }),
        ...(limits.perAddress === undefined ? {} : { address: { quota: limits.perAddress } }),
        instances,
        ...(valkey ? { shared: createValkeySpending({ valkey }) } : {}),
      },
      ...(cors === undefined ? {} : { cors: { origins: cors } }),
      ...(trustedProxies === undefined ? {} : { trustedProxies }),
    },
  };
}
