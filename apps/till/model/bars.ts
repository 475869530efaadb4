/**
 * Code 128, set C (ISO/IEC 15417): two digits a symbol, so the forty digits of a receipt’s number are 255 modules wide and
 * fit on paper of 80 mm at two dots a module. Widths of bars and spaces in turn, by value; the last is the stop.
 */
const patterns =
  '212222 222122 222221 121223 121322 131222 122213 122312 132212 221213 221312 231212 112232 122132 122231 113222 ' +
  '123122 123221 223211 221132 221231 213212 223112 312131 311222 321122 321221 312212 322112 322211 212123 212321 ' +
  '232121 111323 131123 131321 112313 132113 132311 211313 231113 231311 112133 112331 132131 113123 113321 133121 ' +
  '313121 211331 231131 213113 213311 213131 311123 311321 331121 312113 312311 332111 314111 221411 431111 111224 ' +
  '111422 121124 121421 141122 141221 112214 112412 122114 122411 142112 142211 241211 221114 413111 241112 134111 ' +
  '111242 121142 121241 114212 124112 124211 411212 421112 421211 212141 214121 412121 111143 111341 131141 114113 ' +
  '114311 411113 411311 113141 114131 311141 411131 211412 211214 211232 2331112';
const widths = patterns.split(' ');
const startC = 105;
const stop = 106;

/** Places and widths of the bars, in modules from the left, of an even number of digits. */
export function barsOf(digits: string): {
  readonly bars: readonly (readonly [at: number, width: number])[];
  readonly width: number;
} {
  const values = [...digits.matchAll(/\d\d/g)].map(([two]) => Number(two));
  const check = values.reduce((sum, value, i) => sum + value * (i + 1), startC) % 103;
  const bars: [number, number][] = [];
  let at = 0;
  for (const [i, width] of [...[startC, ...values, check, stop].map((value) => widths[value]).join('')].entries()) {
    // Every symbol but the last has three bars and three spaces, so bars stay on even places throughout.
    if (i % 2 === 0) bars.push([at, Number(width)]);
    at += Number(width);
  }
  return { bars, width: at };
}
