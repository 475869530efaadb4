/**
 * What a receipt printer makes of bytes, by Epson's ESC/POS reference (command names as there) and by nothing of the library
 * that writes them: an unknown command, a letter of an unknown code page or a line that is too long throws. For tests.
 */
export interface Paper {
  readonly lines: readonly PaperLine[];
  readonly bars: readonly { readonly digits: string; readonly widthDots: number }[];
  readonly isCut: boolean;
  readonly opensDrawer: boolean;
}

export interface PaperLine {
  /** As it stands on the paper, from its left edge. */
  readonly text: string;
  readonly isBold: boolean;
}

/** Letters 0x80–0xFF of the code pages that ESC t selects, written out from their own charts. */
const pages: Readonly<Record<number, string>> = {
  // PC437
  0:
    'ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀' +
    'αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0',
  // PC852
  18:
    'ÇüéâäůćçłëŐőîŹÄĆÉĹĺôöĽľŚśÖÜŤťŁ×čáíóúĄąŽžĘę¬źČş«»░▒▓│┤ÁÂĚŞ╣║╗╝Żż┐└┴┬├─┼Ăă╚╔╩╦╠═╬¤đĐĎËďŇÍÎě┘┌█▄ŢŮ▀' +
    'ÓßÔŃńňŠšŔÚŕŰýÝţ´\u00ad˝˛ˇ˘§÷¸°¨˙űŘř■\u00a0',
  // PC858
  19:
    'ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜø£Ø×ƒáíóúñÑªº¿®¬½¼¡«»░▒▓│┤ÁÂÀ©╣║╗╝¢¥┐└┴┬├─┼ãÃ╚╔╩╦╠═╬¤ðÐÊËÈ€ÍÎÏ┘┌█▄¦Ì▀' +
    'ÓßÔÒõÕµþÞÚÛÙýÝ¯´\u00ad±‗¾¶§÷¸°¨·¹³²■\u00a0',
};
/** Those that a standard names: WPC1252, PC866, WPC1250 to WPC1258. */
const standard: Readonly<Record<number, string>> = {
  16: 'windows-1252',
  17: 'ibm866',
  45: 'windows-1250',
  46: 'windows-1251',
  47: 'windows-1253',
  48: 'windows-1254',
  49: 'windows-1255',
  50: 'windows-1256',
  51: 'windows-1257',
  52: 'windows-1258',
};

const [lf, cr, esc, fs, gs] = [0x0a, 0x0d, 0x1b, 0x1c, 0x1d];
/** CODE128 in GS k, function B. */
const code128 = 73;

export function readEscPos(bytes: Uint8Array, columns: number): Paper {
  let at = 0;
  let [page, align, moduleDots, isBold, isLineBold] = [0, 0, 3, false, false];
  let [text, isCut, opensDrawer] = ['', false, false];
  const lines: PaperLine[] = [];
  const bars: { digits: string; widthDots: number }[] = [];

  function next(): number {
    const byte = bytes[at++];
    if (byte === undefined) throw new Error('the bytes end within a command');
    return byte;
  }

  function letterOf(byte: number): string {
    if (byte < 0x80) return String.fromCharCode(byte);
    const chart = pages[page];
    if (chart) return chart[byte - 0x80] as string;
    const name = standard[page];
    if (name === undefined) throw new Error(`no chart of code page ${page}`);
    return new TextDecoder(name).decode(Uint8Array.of(byte));
  }

  function endLine(): void {
    if (text.length > columns) throw new Error(`${text.length} letters in a line of ${columns}: ${text}`);
    const left = align === 0 ? 0 : Math.floor((columns - text.length) / (align === 1 ? 2 : 1));
    lines.push({ text: `${' '.repeat(left)}${text}`, isBold: isLineBold });
    [text, isLineBold] = ['', false];
  }

  /** GS k m n d1…dn */
  function printBars(): void {
    const kind = next();
    if (kind !== code128) throw new Error(`bar code ${kind}`);
    const data = Array.from({ length: next() }, next);
    if (String.fromCharCode(...data.slice(0, 2)) !== '{C') throw new Error('CODE128 begins with its set');
    const values = data.slice(2);
    if (values.some((value) => value > 99)) throw new Error('set C has the values 00 to 99');
    // Start, each value and the check are 11 modules wide, stop is 13 (ISO/IEC 15417).
    const modules = 11 * (values.length + 2) + 13;
    bars.push({
      digits: values.map((value) => String(value).padStart(2, '0')).join(''),
      widthDots: modules * moduleDots,
    });
  }

  const commands: Readonly<Record<string, () => void>> = {
    [`${esc} @`]: () => {
      [page, align, isBold] = [0, 0, false];
    },
    [`${esc} t`]: () => {
      page = next();
    },
    [`${esc} E`]: () => {
      isBold = (next() & 1) === 1;
    },
    [`${esc} a`]: () => {
      align = next() % 48;
    },
    [`${esc} M`]: () => {
      if (next() !== 0) throw new Error('another font has other columns');
    },
    // The drawer's connector, and for how long.
    [`${esc} p`]: () => {
      opensDrawer = next() % 48 === 0 && next() > 0 && next() > 0;
    },
    [`${fs} .`]: () => {},
    [`${gs} h`]: next,
    [`${gs} H`]: next,
    [`${gs} w`]: () => {
      moduleDots = next();
    },
    [`${gs} k`]: printBars,
    [`${gs} V`]: () => {
      isCut = [0, 48].includes(next());
    },
  };

  while (at < bytes.length) {
    const byte = next();
    if (byte === lf) endLine();
    else if (byte === cr) continue;
    else if (byte === esc || byte === fs || byte === gs) {
      const name = `${byte} ${String.fromCharCode(next())}`;
      const run = commands[name];
      if (!run) throw new Error(`unknown command ${name}`);
      run();
    } else if (byte < 0x20) throw new Error(`unknown control code ${byte}`);
    else {
      text += letterOf(byte);
      if (isBold && byte !== 0x20) isLineBold = true;
    }
  }
  return { lines, bars, isCut, opensDrawer };
}
