import type { Variant } from '#contracts/products';

type Choice = Readonly<Record<string, string>>;

/** Names of the options in the order in which the variants have them, each with its values. */
export function optionsOf(
  variants: readonly Variant[],
): readonly { readonly name: string; readonly values: readonly string[] }[] {
  const names = [...new Set(variants.flatMap(({ options }) => Object.keys(options)))];
  return names.map((name) => ({
    name,
    values: [...new Set(variants.flatMap(({ options }) => options[name] ?? []))],
  }));
}

/** The variant with exactly these options, as far as it has them. */
export function variantOf(variants: readonly Variant[], choice: Choice): Variant | undefined {
  return variants.find(({ options }) => Object.entries(choice).every(([name, value]) => options[name] === value));
}

/**
 * The choice after one option is set. Where no variant has that together with the rest, the rest gives way: whoever picks
 * 100 m gets a colour that there is in 100 m.
 */
export function choose(variants: readonly Variant[], choice: Choice, name: string, value: string): Choice {
  const wanted = { ...choice, [name]: value };
  if (variantOf(variants, wanted)) return wanted;
  const candidates = variants.filter(({ options }) => options[name] === value);
  const likeness = ({ options }: Variant) => Object.entries(choice).filter(([key, now]) => options[key] === now).length;
  const best = candidates.toSorted((a, b) => likeness(b) - likeness(a))[0];
  return best?.options ?? wanted;
}

/** Whether a value goes with the other options as they are chosen. */
export function goesWith(variants: readonly Variant[], choice: Choice, name: string, value: string): boolean {
  return variantOf(variants, { ...choice, [name]: value }) !== undefined;
}
