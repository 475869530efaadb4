import Type from 'typebox';

const closed = { additionalProperties: false } as const;
const PerSecond = Type.Integer({ minimum: 1, maximum: 1_000_000_000 });

/** What a topology can say of its public door. */
export const GatewaySchema = Type.Object(
  {
    limits: Type.Optional(
      Type.Object(
        {
          perUser: Type.Optional({
            ...PerSecond,
            description: 'Requests a second of one signed-in user; default 1,000',
          }),
          perAddress: Type.Optional({
            ...PerSecond,
            description: 'Requests a second of all guests at one address; default 1,000',
          }),
        },
        closed,
      ),
    ),
    cors: Type.Optional(
      Type.Union([Type.Literal('*'), Type.Array(Type.String({ pattern: '^https?://[^/]+$' }), { maxItems: 100 })], {
        description: 'Origins whose pages may call, as https://shop.example, or "*"; default: none',
      }),
    ),
    trustedProxies: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 10,
        description: 'Proxies in front that append to X-Forwarded-For; default 0',
      }),
    ),
    edgeCacheSec: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 86_400,
        description:
          'How long a cache in front that follows purges (holdfast edge) keeps product reads; default 0: it asks',
      }),
    ),
    valkey: Type.Optional(
      Type.String({
        pattern: '^(rediss?://.+|env:[A-Z_][A-Z0-9_]*)$',
        description: 'Valkey or Redis where gateways share limits and cached replies; default: each has its own',
      }),
    ),
  },
  closed,
);
export type GatewaySettings = Type.Static<typeof GatewaySchema>;
