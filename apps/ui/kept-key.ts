/**
 * The idempotency key of something a person is about to do, kept until it is known how it ended: whoever presses twice,
 * loses the reply or loads the page anew repeats under the same key, and it is done once. `name` names the intention,
 * `payload` its content: with another content it is another intention and gets another key.
 */
export function keptKey(name: string, payload: unknown): { readonly key: string; settled(): void } {
  const text = JSON.stringify(payload);
  const kept = sessionStorage.getItem(name);
  const known = kept === null ? undefined : (JSON.parse(kept) as { key: string; text: string });
  const key = known?.text === text ? known.key : crypto.randomUUID();
  sessionStorage.setItem(name, JSON.stringify({ key, text }));
  return { key, settled: () => sessionStorage.removeItem(name) };
}
