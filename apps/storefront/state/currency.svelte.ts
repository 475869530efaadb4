import { stored } from './stored.ts';

export const currencies = ['EUR', 'USD', 'GBP'] as const;
export type CurrencyCode = (typeof currencies)[number];

const file = stored<CurrencyCode>('currency');
const listeners: ((code: CurrencyCode) => void)[] = [];
let current = $state<CurrencyCode>(file.read() ?? 'EUR');

/** In which currency prices are shown. */
export const currency = {
  get current(): CurrencyCode {
    return current;
  },
  set(code: CurrencyCode): void {
    if (code === current) return;
    current = code;
    file.write(code);
    for (const listener of listeners) listener(code);
  },
  onChange: (listener: (code: CurrencyCode) => void): void => void listeners.push(listener),
};
