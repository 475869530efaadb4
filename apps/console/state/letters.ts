import type { readers } from './readers.ts';

export type DeadLetterView = Awaited<
  ReturnType<(typeof readers)['analytics']['listDeadLetters']>
>['body']['items'][number];
