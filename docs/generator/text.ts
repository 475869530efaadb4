/** Says at the top of a page where it comes from. */
export function banner(sources: string): string {
  return `<!-- Made by \`npm run docs\` from ${sources}. Change those, not this. -->\n\n`;
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map(cellText).join(' | ')} |`;
  return [line(head), `|${' --- |'.repeat(head.length)}`, ...rows.map(line)].join('\n');
}

function cellText(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}

export function anchorOf(code: string): string {
  return code.replace('/', '-');
}
