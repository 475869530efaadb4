import { setTimeout as sleep } from 'node:timers/promises';

/** What a buyer was told, both times. */
export type Told = 'bought' | 'sold out' | 'nothing clear';

/** One click on "buy"; resolves with the answer's text, by which a repeat can be told from another order. */
export type Click = (buyer: number) => Promise<{ readonly told: Told; readonly text: string }>;

export interface Rush {
  readonly seconds: number;
  readonly bought: number;
  readonly soldOut: number;
  /** Told different things by their two clicks, or nothing clear by either. */
  readonly confused: number;
  /** Until both clicks were answered, sorted. */
  readonly latenciesMs: readonly number[];
}

/** Everybody wants one at the same moment, and clicks twice. */
export async function rush(buyers: number, click: Click): Promise<Rush> {
  const latenciesMs: number[] = [];
  const startMs = performance.now();
  const told = await Promise.all(
    Array.from({ length: buyers }, async (_, buyer): Promise<Told> => {
      const [first, second] = await Promise.all([click(buyer), click(buyer)]);
      latenciesMs.push(performance.now() - startMs);
      return first.text === second.text ? first.told : 'nothing clear';
    }),
  );
  const count = (wanted: Told) => told.filter((each) => each === wanted).length;
  return {
    seconds: (performance.now() - startMs) / 1000,
    bought: count('bought'),
    soldOut: count('sold out'),
    confused: count('nothing clear'),
    latenciesMs: latenciesMs.sort((a, b) => a - b),
  };
}

const repeatsMax = 50;
const pauseMs = 50;

/** Asks until there is an answer that ends the matter, as a storefront does: busy and "not yet" are none. */
export async function persist(ask: () => Promise<{ told: Told; text: string } | undefined>) {
  for (let attempt = 0; attempt < repeatsMax; attempt++) {
    const answer = await ask();
    if (answer) return answer;
    await sleep(pauseMs);
  }
  return { told: 'nothing clear', text: '' } as const;
}
