import type { ProductInput, Variant } from '#contracts/products';
import { gtinCheckDigit } from './gtin.ts';

/**
 * Holdfast Chandlery: what a small shop for rope, knots and days outside might sell. Everything in it is our own
 * invention. GTINs are of the range 290, which GS1 leaves to shops for their own use, so they name nobody's goods.
 */

/** Article numbers are five digits; the check digit is worked out, so that none can be mistyped. */
function gtin(article: number): string {
  const digits = `2900000${String(article).padStart(5, '0')}`;
  return `${digits}${gtinCheckDigit(digits)}`;
}

/** Minor units of EUR, USD and GBP; each may have a former price. */
type Amounts = readonly [eur: number, usd: number, gbp: number];

function variant(
  sku: string,
  article: number,
  options: Variant['options'],
  amounts: Amounts,
  before?: Amounts,
): Variant {
  return {
    sku,
    gtin: gtin(article),
    options,
    prices: ['EUR', 'USD', 'GBP'].map((currency, i) => ({
      currency,
      amountMinor: amounts[i] as number,
      ...(before ? { compareAtMinor: before[i] as number } : {}),
    })),
  };
}

function picture(slug: string, alt: string) {
  return [{ url: `https://images.holdfast.example/${slug}.webp`, alt }];
}

export const seedCatalogue: readonly ProductInput[] = [
  {
    slug: 'skerry-dynamic-rope',
    name: 'Skerry dynamic rope 9.8 mm',
    description:
      'An all-day single rope with a soft catch. Dry-treated core and sheath, middle mark that survives the gravel, and a hand that stays supple after its hundredth pitch.',
    categories: ['ropes/dynamic'],
    images: picture('skerry-dynamic-rope', 'A coiled rope in sea blue on granite'),
    status: 'active',
    attributes: { material: 'polyamide', diameter: '9.8 mm', treatment: 'dry' },
    variants: [
      variant('HF-SKER-40', 101, { length: '40 m', colour: 'sea blue' }, [11900, 12900, 10500]),
      variant('HF-SKER-60', 102, { length: '60 m', colour: 'sea blue' }, [16900, 18500, 14900]),
      variant('HF-SKER-70', 103, { length: '70 m', colour: 'heather' }, [19500, 21500, 17200]),
    ],
  },
  {
    slug: 'gannet-half-rope',
    name: 'Gannet half rope 8.1 mm',
    description:
      'Light double-rope strand for long sea-cliff traverses. Sold singly, so that a pair can be two colours.',
    categories: ['ropes/dynamic'],
    images: picture('gannet-half-rope', 'Two thin ropes, white and ochre, side by side'),
    status: 'active',
    attributes: { material: 'polyamide', diameter: '8.1 mm', treatment: 'dry' },
    variants: [
      variant('HF-GANN-50-W', 104, { length: '50 m', colour: 'white' }, [12900, 13900, 11300]),
      variant('HF-GANN-50-O', 105, { length: '50 m', colour: 'ochre' }, [12900, 13900, 11300]),
    ],
  },
  {
    slug: 'bollard-static-rope',
    name: 'Bollard static rope 10.5 mm',
    description:
      'Low-stretch kernmantle for rigging, hauling and access. Type A. Cut to length from the drum and whipped at both ends.',
    categories: ['ropes/static'],
    images: picture('bollard-static-rope', 'A drum of white static rope'),
    status: 'active',
    attributes: { material: 'polyamide', diameter: '10.5 mm' },
    variants: [
      variant('HF-BOLL-25', 106, { length: '25 m' }, [5900, 6500, 5200]),
      variant('HF-BOLL-50', 107, { length: '50 m' }, [10900, 11900, 9600]),
      variant('HF-BOLL-100', 108, { length: '100 m' }, [19900, 21900, 17500]),
    ],
  },
  {
    slug: 'halyard-braid',
    name: 'Halyard double braid 8 mm',
    description:
      'Polyester on polyester: runs well through old blocks, knots without a fight and does not mind the sun.',
    categories: ['ropes/sailing', 'boat'],
    images: picture('halyard-braid', 'White line with a red fleck, flaked on a deck'),
    status: 'active',
    attributes: { material: 'polyester', diameter: '8 mm' },
    variants: [
      variant('HF-HALY-15', 109, { length: '15 m', colour: 'red fleck' }, [2900, 3200, 2500]),
      variant('HF-HALY-30', 110, { length: '30 m', colour: 'blue fleck' }, [5400, 5900, 4700]),
    ],
  },
  {
    slug: 'three-strand-manila',
    name: 'Three-strand manila 12 mm',
    description:
      'Abacá fibre, hawser-laid. Smells of harbours. For splicing practice, garden swings and rigs that should look their age.',
    categories: ['ropes/natural', 'boat'],
    images: picture('three-strand-manila', 'Golden hawser-laid rope with an eye splice'),
    status: 'active',
    attributes: { material: 'manila', diameter: '12 mm' },
    variants: [
      variant('HF-MANI-10', 111, { length: '10 m' }, [2200, 2400, 1900]),
      variant('HF-MANI-25', 112, { length: '25 m' }, [4900, 5400, 4300]),
    ],
  },
  {
    slug: 'prusik-cord',
    name: 'Prusik cord 6 mm',
    description: 'Supple accessory cord that bites and lets go. Six metres make four loops.',
    categories: ['cord'],
    images: picture('prusik-cord', 'Four small hanks of bright cord'),
    status: 'active',
    attributes: { material: 'polyamide', diameter: '6 mm' },
    variants: [
      variant('HF-PRUS-6-G', 113, { length: '6 m', colour: 'green' }, [890, 990, 790]),
      variant('HF-PRUS-6-R', 114, { length: '6 m', colour: 'red' }, [890, 990, 790]),
    ],
  },
  {
    slug: 'tarred-marline',
    name: 'Tarred marline 2 mm',
    description: 'Pine-tarred hemp twine for whippings, seizings and net repairs. Sticks to itself and to your memory.',
    categories: ['cord', 'boat'],
    images: picture('tarred-marline', 'A dark ball of tarred twine'),
    status: 'active',
    attributes: { material: 'hemp', diameter: '2 mm' },
    variants: [variant('HF-MARL-50', 115, { length: '50 m' }, [1150, 1250, 990])],
  },
  {
    slug: 'reflective-guy-line',
    name: 'Reflective guy line 3 mm',
    description: 'Finds your torch before your shin finds it. Kit of four lines with tensioners.',
    categories: ['cord', 'camp'],
    images: picture('reflective-guy-line', 'Cord that shines in the light of a headlamp'),
    status: 'active',
    attributes: { material: 'polyester', diameter: '3 mm' },
    variants: [variant('HF-GUYL-4', 116, { pack: '4 × 4 m' }, [1490, 1590, 1290])],
  },
  {
    slug: 'limpet-carabiner',
    name: 'Limpet screwgate carabiner',
    description: 'Pear-shaped HMS carabiner, hot forged. 23 kN along, 8 kN across, a gate that turns with gloves on.',
    categories: ['hardware/carabiners'],
    images: picture('limpet-carabiner', 'A grey carabiner with an orange sleeve'),
    status: 'active',
    attributes: { material: 'aluminium', gate: 'screw' },
    variants: [
      variant('HF-LIMP-GY', 117, { colour: 'grey' }, [1390, 1490, 1190]),
      variant('HF-LIMP-OR', 118, { colour: 'orange' }, [1390, 1490, 1190]),
    ],
  },
  {
    slug: 'winkle-wiregate',
    name: 'Winkle wiregate carabiner',
    description: 'Twenty-seven grams with a nose that does not snag. For racks that are carried far.',
    categories: ['hardware/carabiners'],
    images: picture('winkle-wiregate', 'A small wiregate carabiner on a palm'),
    status: 'active',
    attributes: { material: 'aluminium', gate: 'wire' },
    variants: [
      variant('HF-WINK-1', 119, { pack: 'single' }, [850, 950, 750]),
      variant('HF-WINK-6', 120, { pack: 'rack of 6' }, [4500, 4900, 3900], [5100, 5700, 4500]),
    ],
  },
  {
    slug: 'capstan-belay-device',
    name: 'Capstan belay device',
    description: 'Tubular belay and abseil device with a guide loop. Takes single and half ropes from 7.8 to 10.5 mm.',
    categories: ['hardware/belay'],
    images: picture('capstan-belay-device', 'A belay device threaded with blue rope'),
    status: 'active',
    attributes: { material: 'aluminium' },
    variants: [variant('HF-CAPS-1', 121, { colour: 'grey' }, [2990, 3290, 2590])],
  },
  {
    slug: 'snatch-block-40',
    name: 'Snatch block 40 mm',
    description:
      'Opens at the side to take a line by its bight. Ball-bearing sheave, stainless cheeks, working load 900 kg.',
    categories: ['hardware/blocks', 'boat'],
    images: picture('snatch-block-40', 'A stainless block, opened'),
    status: 'active',
    attributes: { material: 'stainless steel' },
    variants: [variant('HF-SNAT-40', 122, { sheave: '40 mm' }, [7900, 8500, 6900])],
  },
  {
    slug: 'bow-shackle',
    name: 'Bow shackle, forged',
    description: 'AISI 316, captive pin. The quiet part that holds the loud parts together.',
    categories: ['hardware/shackles', 'boat'],
    images: picture('bow-shackle', 'Three shackles by size'),
    status: 'active',
    attributes: { material: 'stainless steel' },
    variants: [
      variant('HF-BOWS-06', 123, { size: '6 mm' }, [690, 750, 590]),
      variant('HF-BOWS-08', 124, { size: '8 mm' }, [990, 1090, 850]),
      variant('HF-BOWS-10', 125, { size: '10 mm' }, [1390, 1490, 1190]),
    ],
  },
  {
    slug: 'horn-cleat',
    name: 'Horn cleat, ash',
    description: 'Turned from one piece of ash, oiled twice. For boats, porches and coats.',
    categories: ['hardware', 'boat'],
    images: picture('horn-cleat', 'A wooden cleat with a line made fast to it'),
    status: 'active',
    attributes: { material: 'ash' },
    variants: [
      variant('HF-HORN-15', 126, { size: '15 cm' }, [1890, 1990, 1590]),
      variant('HF-HORN-20', 127, { size: '20 cm' }, [2290, 2490, 1990]),
    ],
  },
  {
    slug: 'marlinspike-knife',
    name: 'Rigger’s knife with marlinspike',
    description:
      'Sheepsfoot blade for cutting on the rail, locking spike for stubborn knots, shackle key in the handle.',
    categories: ['tools'],
    images: picture('marlinspike-knife', 'A folding knife with its spike open'),
    status: 'active',
    attributes: { material: 'stainless steel' },
    variants: [
      variant('HF-KNIF-1', 128, { handle: 'olive wood' }, [5900, 6400, 5200]),
      variant('HF-KNIF-2', 129, { handle: 'black' }, [4500, 4900, 3900]),
    ],
  },
  {
    slug: 'splicing-fid-set',
    name: 'Splicing fid set',
    description: 'Five hollow fids, a pusher and a booklet of seven splices. Fits braid from 6 to 14 mm.',
    categories: ['tools'],
    images: picture('splicing-fid-set', 'Polished steel fids in a canvas roll'),
    status: 'active',
    attributes: { material: 'stainless steel' },
    variants: [variant('HF-FIDS-5', 130, { pack: '5 fids' }, [4900, 5300, 4300])],
  },
  {
    slug: 'sailmakers-palm',
    name: 'Sailmaker’s palm',
    description: 'Bull hide with a brass eye. Left and right hands differ: choose yours.',
    categories: ['tools', 'boat'],
    images: picture('sailmakers-palm', 'A leather palm with needle and waxed thread'),
    status: 'active',
    attributes: { material: 'leather' },
    variants: [
      variant('HF-PALM-R', 131, { hand: 'right' }, [2690, 2890, 2350]),
      variant('HF-PALM-L', 132, { hand: 'left' }, [2690, 2890, 2350]),
    ],
  },
  {
    slug: 'hot-knife',
    name: 'Hot knife for rope ends',
    description: 'Cuts and seals synthetic rope in one go. Comes with a bench stand and a stern warning.',
    categories: ['tools'],
    images: picture('hot-knife', 'A glowing blade beside a sealed rope end'),
    status: 'active',
    attributes: { power: '60 W' },
    variants: [
      variant('HF-HOTK-EU', 133, { plug: 'EU' }, [6900, 7500, 5900]),
      variant('HF-HOTK-UK', 134, { plug: 'UK' }, [6900, 7500, 5900]),
    ],
  },
  {
    slug: 'knot-book',
    name: 'Forty knots that hold fast',
    description:
      'A pocket book of bends, hitches, loops and stoppers, drawn by hand, with a cord in its spine to try them on.',
    categories: ['books'],
    images: picture('knot-book', 'A small blue book with a cord'),
    status: 'active',
    attributes: { language: 'English' },
    variants: [
      variant('HF-BOOK-PB', 135, { binding: 'paperback' }, [1490, 1590, 1290]),
      variant('HF-BOOK-HB', 136, { binding: 'hardback' }, [2490, 2690, 2190]),
    ],
  },
  {
    slug: 'practice-board',
    name: 'Knot practice board',
    description: 'Cleat, ring, rail and two lengths of line on a beech board, with twelve knots printed on the back.',
    categories: ['books', 'gifts'],
    images: picture('practice-board', 'A beech board with knots half tied'),
    status: 'active',
    attributes: { material: 'beech' },
    variants: [variant('HF-BRD-1', 137, { size: '30 × 20 cm' }, [3490, 3790, 2990])],
  },
  {
    slug: 'monkeys-fist-keyring',
    name: 'Monkey’s fist key ring',
    description: 'Tied by hand round a cork, so that keys dropped overboard come back.',
    categories: ['gifts'],
    images: picture('monkeys-fist-keyring', 'A round knot on a key ring'),
    status: 'active',
    attributes: { material: 'cotton', floats: 'yes' },
    variants: [
      variant('HF-FIST-NV', 138, { colour: 'navy' }, [1290, 1390, 1090]),
      variant('HF-FIST-NT', 139, { colour: 'natural' }, [1290, 1390, 1090]),
    ],
  },
  {
    slug: 'ketch-tarp',
    name: 'Ketch tarp',
    description: 'Ripstop shelter with sixteen tie-outs and catenary edges. Packs to the size of a loaf.',
    categories: ['camp/shelter'],
    images: picture('ketch-tarp', 'A green tarp pitched low over a clearing'),
    status: 'active',
    attributes: { material: 'ripstop polyester', waterproof: 'yes' },
    variants: [
      variant('HF-TARP-3', 140, { size: '3 × 3 m', colour: 'moss' }, [8900, 9700, 7900]),
      variant('HF-TARP-4', 141, { size: '4 × 3 m', colour: 'moss' }, [10900, 11900, 9700]),
    ],
  },
  {
    slug: 'bosun-hammock',
    name: 'Bosun hammock',
    description: 'Broad cotton canvas with spreader bars and two tree straps. Rated for 150 kg of doing nothing.',
    categories: ['camp/shelter', 'gifts'],
    images: picture('bosun-hammock', 'A striped canvas hammock between two birches'),
    status: 'active',
    attributes: { material: 'cotton' },
    variants: [
      variant('HF-HAMM-S', 142, { colour: 'striped' }, [7500, 8200, 6600], [8900, 9700, 7900]),
      variant('HF-HAMM-N', 143, { colour: 'natural' }, [7500, 8200, 6600]),
    ],
  },
  {
    slug: 'dry-bag-haul',
    name: 'Dry bag with haul straps',
    description: 'Welded seams, roll top, straps that take a pulley. Stands upright when it is half full.',
    categories: ['camp', 'boat'],
    images: picture('dry-bag-haul', 'An orange bag in the bow of a canoe'),
    status: 'active',
    attributes: { material: 'TPU', waterproof: 'yes' },
    variants: [
      variant('HF-DRYB-20', 144, { size: '20 l', colour: 'orange' }, [3900, 4200, 3400]),
      variant('HF-DRYB-45', 145, { size: '45 l', colour: 'orange' }, [5900, 6400, 5200]),
      variant('HF-DRYB-70', 146, { size: '70 l', colour: 'grey' }, [7900, 8600, 6900]),
    ],
  },
  {
    slug: 'deckhand-gloves',
    name: 'Deckhand rope gloves',
    description: 'Goatskin palms doubled where a line runs, open knuckles, cuffs that come off wet.',
    categories: ['clothing'],
    images: picture('deckhand-gloves', 'A pair of tan gloves on a coil of rope'),
    status: 'active',
    attributes: { material: 'goatskin' },
    variants: [
      variant('HF-GLOV-S', 147, { size: 'S' }, [3290, 3590, 2890]),
      variant('HF-GLOV-M', 148, { size: 'M' }, [3290, 3590, 2890]),
      variant('HF-GLOV-L', 149, { size: 'L' }, [3290, 3590, 2890]),
    ],
  },
  {
    slug: 'holdfast-anchor-tee',
    name: 'Holdfast T-shirt',
    description: 'Heavy organic cotton, one small anchor, no slogan.',
    categories: ['clothing', 'gifts'],
    images: picture('holdfast-anchor-tee', 'A navy T-shirt with a small white anchor'),
    status: 'active',
    attributes: { material: 'organic cotton' },
    variants: [
      variant('HF-TEE-S', 150, { size: 'S', colour: 'navy' }, [2900, 3200, 2500]),
      variant('HF-TEE-M', 151, { size: 'M', colour: 'navy' }, [2900, 3200, 2500]),
      variant('HF-TEE-L', 152, { size: 'L', colour: 'navy' }, [2900, 3200, 2500]),
      variant('HF-TEE-XL', 153, { size: 'XL', colour: 'navy' }, [2900, 3200, 2500]),
    ],
  },
];
