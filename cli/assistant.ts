import Type from 'typebox';
import type { LanguageModelOptions } from '#services/assistant';
import { exitCodes, Failure } from './failure.ts';

/** A language model that puts the assistant's answers into words. Without it they are put together from facts. */
export const AssistantSchema = Type.Object(
  {
    url: Type.String({
      pattern: '^https?://.+',
      description: 'Of an OpenAI-compatible API, up to and with /v1: http://127.0.0.1:11434/v1',
    }),
    model: Type.String({ minLength: 1, maxLength: 100, description: 'As that API calls it' }),
    keyVariable: Type.Optional(
      Type.String({
        pattern: '^[A-Z_][A-Z0-9_]*$',
        description: 'Name of the environment variable with the API key; default: none is sent',
      }),
    ),
  },
  { additionalProperties: false },
);
export type AssistantSettings = Type.Static<typeof AssistantSchema>;

/** With the key that the environment holds. */
export function resolveAssistant(
  { url, model, keyVariable }: AssistantSettings,
  environment: NodeJS.ProcessEnv,
): LanguageModelOptions {
  if (keyVariable === undefined) return { url, model };
  const key = environment[keyVariable];
  if (key) return { url, model, key };
  throw new Failure(
    exitCodes.usage,
    `The topology takes the key of the assistant's model from ${keyVariable}, which is not set: set it, or leave keyVariable out.`,
  );
}
