const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

export function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"]/g, (character) => entities[character] as string);
}

export type Cell = string | number | { readonly text: string; readonly class: string };

/** A table; numbers stand to the right. */
export function tableOf(head: readonly Cell[], rows: readonly (readonly Cell[])[]): string {
  const line = (row: readonly Cell[], tag: 'td' | 'th') => `<tr>${row.map((cell) => cellOf(cell, tag)).join('')}</tr>`;
  return `<div class="scroll"><table>${line(head, 'th')}${rows.map((row) => line(row, 'td')).join('')}</table></div>`;
}

function cellOf(cell: Cell, tag: 'td' | 'th'): string {
  if (typeof cell === 'number') return `<${tag} class="number">${cell.toLocaleString('en-US')}</${tag}>`;
  if (typeof cell === 'string') return `<${tag}>${escapeHtml(cell)}</${tag}>`;
  return `<${tag} class="${cell.class}">${escapeHtml(cell.text)}</${tag}>`;
}
