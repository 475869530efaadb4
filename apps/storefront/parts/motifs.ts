/**
 * Drawings for goods without a picture: strokes on a field of 240 × 240. `rope` is drawn thick with a twist, `line` thin,
 * `solid` is filled, `accent` stands out. What is drawn follows from what the product is called, its colours from its slug.
 */
export type Stroke = readonly [kind: 'rope' | 'line' | 'solid' | 'accent' | 'thin', path: string];

const circle = (x: number, y: number, r: number): string =>
  `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0`;

const motifs = {
  coil: [
    ['rope', circle(120, 122, 70)],
    ['rope', circle(120, 122, 50)],
    ['rope', circle(120, 122, 30)],
    ['rope', 'M189 134c4 26 2 44-13 58'],
    ['accent', 'M112 42c6 10 6 30 0 40M128 42c6 10 6 30 0 40'],
  ],
  hank: [
    ['rope', 'M104 44c-34 0-34 152 0 152s34-152 0-152'],
    ['rope', 'M136 44c-34 0-34 152 0 152s34-152 0-152'],
    ['accent', 'M74 104h92M74 118h92M74 132h92'],
    ['rope', 'M150 196c22 6 34-4 40-16'],
  ],
  drum: [
    ['line', 'M62 66c0-30 116-30 116 0s-116 30-116 0z'],
    ['rope', 'M72 96c24 16 72 16 96 0'],
    ['rope', 'M72 116c24 16 72 16 96 0'],
    ['rope', 'M72 136c24 16 72 16 96 0'],
    ['rope', 'M72 156c24 16 72 16 96 0c18-12 34 0 36 26'],
    ['line', 'M62 178c0 30 116 30 116 0'],
    ['accent', 'M106 66h28'],
  ],
  carabiner: [
    ['rope', 'M92 56h40c36 0 52 18 46 52l-8 46c-5 26-22 38-48 38H96c-22 0-34-12-34-34V90c0-22 10-34 30-34'],
    ['accent', 'M174 100l-10 58'],
    ['thin', 'M84 84v72'],
  ],
  belay: [
    ['rope', circle(120, 92, 40)],
    ['line', 'M88 132h64l10 52H78z'],
    ['accent', 'M104 146v26M136 146v26'],
    ['thin', 'M104 172c0 30 32 30 32 0'],
  ],
  block: [
    ['line', 'M120 58c36 0 44 28 44 62s-12 58-44 58-44-24-44-58 8-62 44-62z'],
    ['rope', circle(120, 122, 26)],
    ['solid', circle(120, 122, 7)],
    ['accent', 'M120 32v26M104 32h32'],
    ['thin', 'M94 122v78M146 122v78'],
  ],
  shackle: [
    ['rope', 'M82 160c-34-30-24-104 38-104s72 74 38 104'],
    ['accent', 'M66 166h108'],
    ['solid', circle(66, 166, 10)],
    ['solid', circle(176, 166, 8)],
  ],
  cleat: [
    ['line', 'M40 104c24-6 44-4 58 10h44c14-14 34-16 58-10-10 18-28 26-50 26H90c-22 0-40-8-50-26z'],
    ['line', 'M92 132l-8 40h72l-8-40'],
    ['rope', 'M62 92c44 52 70 52 116 4'],
    ['accent', 'M178 96c12 30 10 66-8 100'],
  ],
  knife: [
    ['line', 'M60 176l60-60 20 20-60 60c-6 6-14 6-20 0s-6-14 0-20z'],
    ['solid', 'M124 112l58-62c10 20 4 46-12 62l-26 20z'],
    ['accent', 'M78 178l8 8M92 164l8 8'],
    ['thin', 'M62 196c-14 6-22-2-24-12'],
  ],
  tools: [
    ['line', 'M66 60l28 120c2 10 14 10 16 0z'],
    ['line', 'M116 76l18 106c2 8 12 8 14 0l6-84z'],
    ['solid', 'M160 96l8 88c1 8 10 8 12 0l10-68z'],
    ['accent', 'M52 60h42M104 80h42M154 100h40'],
  ],
  book: [
    ['line', 'M68 48h96c8 0 12 4 12 12v124H80c-14 0-20-8-20-18V56c0-5 3-8 8-8z'],
    ['thin', 'M60 168c0-10 8-14 18-14h98'],
    ['accent', 'M92 88c0 34 52 10 52 44M144 88c0 34-52 10-52 44'],
  ],
  board: [
    ['line', 'M48 64h144v112H48z'],
    ['rope', 'M72 64c0 60 96 50 96 112'],
    ['accent', 'M168 64c0 60-96 50-96 112'],
  ],
  ring: [
    ['line', circle(150, 72, 28)],
    ['thin', 'M130 92l-16 18'],
    ['rope', circle(96, 146, 40)],
    ['accent', 'M58 134c22-10 52-10 76 2M62 164c20 8 48 8 68-4M84 108c-8 24-8 54 2 76M110 108c8 24 8 54-2 76'],
  ],
  shelter: [
    ['line', 'M36 160l84-88 84 88'],
    ['solid', 'M120 72l84 88c-40-10-62-30-84-88z'],
    ['thin', 'M120 72v110M36 160l-14 24M204 160l14 24'],
    ['accent', 'M92 182h56'],
  ],
  hammock: [
    ['rope', 'M34 72c40 96 132 96 172 0'],
    ['line', 'M58 98c26 48 98 48 124 0-30 22-94 22-124 0z'],
    ['accent', 'M92 128l4 20M120 134v20M148 128l-4 20'],
    ['thin', 'M34 40v150M206 40v150'],
  ],
  bag: [
    ['line', 'M72 80h96c8 36 8 76 0 112H72c-8-36-8-76 0-112z'],
    ['accent', 'M66 80h108M70 66h100'],
    ['thin', 'M88 66c-4-30 68-30 64 0M78 132h84'],
  ],
  glove: [
    [
      'line',
      'M82 192v-58c-16-10-34-26-28-36 8-10 20 4 30 12V66c0-14 20-14 20 0v34-48c0-14 20-14 20 0v48-42c0-14 20-14 20 0v46-26c0-12 18-12 18 0v62c0 18-8 28-8 52z',
    ],
    ['accent', 'M80 178h74'],
  ],
  shirt: [
    ['line', 'M90 54l-46 28 16 34 22-12v92h76v-92l22 12 16-34-46-28c-10 18-50 18-60 0z'],
    ['accent', 'M120 112v44M104 140c2 18 30 18 32 0M110 122h20'],
  ],
  knot: [
    ['rope', 'M30 128c44 0 56-56 96-56 44 0 44 72 0 72-34 0-46-36-88-36'],
    ['rope', 'M210 112c-44 0-56 56-96 56-44 0-44-72 0-72 34 0 46 36 88 36'],
    ['accent', 'M46 128h.1M194 112h.1'],
  ],
} as const satisfies Record<string, readonly Stroke[]>;

type Motif = keyof typeof motifs;

const words: readonly (readonly [RegExp, Motif])[] = [
  [/carabiner|wiregate|screwgate|karabiner/, 'carabiner'],
  [/belay/, 'belay'],
  [/block|pulley/, 'block'],
  [/shackle/, 'shackle'],
  [/cleat/, 'cleat'],
  [/knife|blade/, 'knife'],
  [/\bfid|palm|needle|tool/, 'tools'],
  [/board/, 'board'],
  [/key.?ring/, 'ring'],
  [/book|forty-knots/, 'book'],
  [/hammock/, 'hammock'],
  [/bag|sack/, 'bag'],
  [/glove/, 'glove'],
  [/shirt|tee\b|jersey/, 'shirt'],
  [/tarp|tent/, 'shelter'],
  [/cord|twine|marline|line-/, 'hank'],
  [/static|manila|drum/, 'drum'],
  [/braid|half|double/, 'hank'],
  [/rope/, 'coil'],
];

const roots: Readonly<Record<string, Motif>> = {
  ropes: 'coil',
  cord: 'hank',
  hardware: 'shackle',
  tools: 'tools',
  books: 'book',
  camp: 'shelter',
  clothing: 'shirt',
};

export function motifOf(slug: string, categories: readonly string[]): readonly Stroke[] {
  const word = words.find(([pattern]) => pattern.test(slug));
  const root = categories.map((path) => roots[path.split('/')[0] ?? '']).find((motif) => motif !== undefined);
  return motifs[word?.[1] ?? root ?? 'knot'];
}

/** Sea, moss, sand, rust, heather, slate: a hue and how strong it is. */
const palette = [
  [232, 0.045],
  [205, 0.045],
  [160, 0.04],
  [85, 0.05],
  [48, 0.05],
  [22, 0.04],
  [310, 0.03],
  [262, 0.035],
] as const;

export function coloursOf(slug: string): { readonly hue: number; readonly chroma: number } {
  let sum = 7;
  for (let i = 0; i < slug.length; i += 1) sum = (sum * 31 + slug.charCodeAt(i)) % 100_003;
  const [hue, chroma] = palette[sum % palette.length] as (typeof palette)[number];
  return { hue, chroma };
}
