/**
 * Countries by ISO 3166-1 code, because that is what the shop keeps. The names are the English ones of the Unicode
 * locale data plus what shops really write. A name that nobody knows is `ZZ`, which Unicode assigns to "unknown region".
 */
const WRITTEN: Readonly<Record<string, string>> = {
  eire: 'IE',
  usa: 'US',
  'united states of america': 'US',
  uk: 'GB',
  'great britain': 'GB',
  england: 'GB',
  rsa: 'ZA',
  'channel islands': 'JE',
  'european community': 'EU',
  'czech republic': 'CZ',
  korea: 'KR',
  'hong kong': 'HK',
  holland: 'NL',
  turkey: 'TR',
  'west indies': 'ZZ',
  unspecified: 'ZZ',
  '': 'ZZ',
};

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ';
export const COUNTRY_CODE_UNKNOWN = 'ZZ';

let codes: ReadonlyMap<string, string> | undefined;

export function countryCode(name: string): string {
  codes ??= readCodes();
  return codes.get(name.trim().toLowerCase()) ?? COUNTRY_CODE_UNKNOWN;
}

/** Both names and codes are keys: a file may hold either. */
function readCodes(): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const names = new Intl.DisplayNames(['en'], { type: 'region', fallback: 'none' });
  for (const first of LETTERS) {
    for (const second of LETTERS) {
      const name = names.of(first + second);
      if (name === undefined) continue;
      // Withdrawn codes share their name with the present one, for example BU and MM: canonicalisation tells them apart.
      const [code = first + second] = Intl.getCanonicalLocales(`und-${first}${second}`).map((tag) => tag.slice(4));
      if (code.length !== 2) continue;
      found.set(name.toLowerCase(), code);
      found.set((first + second).toLowerCase(), code);
    }
  }
  for (const [name, code] of Object.entries(WRITTEN)) found.set(name, code);
  return found;
}
