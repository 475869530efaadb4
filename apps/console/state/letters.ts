import type { readers } from './readers.ts';

export type DeadLetterView = Awaited<
  ReturnType<(typeof readers)['analytics']['listDeadLetters']>
>['body']['items'][number];
export type ReplayAnswer = Awaited<ReturnType<(typeof readers)['analytics']['replayDeadLetters']>>;
