import type { Schema } from './schema.ts';

/** What an OpenAPI document says of one operation, as far as it is asked for here. */
export interface Operation {
  readonly id: string;
  readonly method: string;
  /** With names in braces. */
  readonly path: string;
  readonly parameters: readonly Parameter[];
  readonly body?: { readonly media: string; readonly schema: Schema };
  /** By status, or `default`. */
  readonly responses: Readonly<Record<string, { readonly media?: string; readonly schema?: Schema }>>;
  /** Roles that may; undefined: everybody. */
  readonly roles?: readonly string[];
}

interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly required: boolean;
  readonly schema: Schema;
}

type Content = Readonly<Record<string, { readonly schema: Schema & { readonly $ref?: string } }>>;

interface Described {
  readonly operationId: string;
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly content?: Content }>>;
  readonly 'x-roles'?: readonly string[];
}

export interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Described>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

export function operationsOf({ paths, components: { schemas } }: Document): Operation[] {
  function contentOf(content: Content | undefined): { media?: string; schema?: Schema } {
    const [found] = Object.entries(content ?? {});
    if (!found) return {};
    const [media, { schema }] = found;
    const named = schema.$ref === undefined ? undefined : schemas[schema.$ref.split('/').at(-1) as string];
    return { media, schema: named ?? schema };
  }
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, described]): Operation => {
      const { operationId, parameters = [], requestBody, responses, 'x-roles': roles } = described;
      const body = contentOf(requestBody?.content);
      return {
        id: operationId,
        method: method.toUpperCase(),
        path,
        parameters,
        responses: Object.fromEntries(
          Object.entries(responses).map(([status, { content }]) => [status, contentOf(content)]),
        ),
        ...(body.media && body.schema ? { body: { media: body.media, schema: body.schema } } : {}),
        ...(roles ? { roles } : {}),
      };
    }),
  );
}
