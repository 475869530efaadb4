/**
 * Where a screen is narrow the cells of a row stand below one another (console.css). Styles that lay out a table as something
 * else take its meaning away from screen readers, so roles say what is what; and each cell knows the name of its column, to be
 * shown above it. Rows come and go, so a table is looked at again whenever it has changed.
 */
export function namedCells(table: HTMLTableElement): () => void {
  const observer = new MutationObserver(() => nameCells(table));
  nameCells(table);
  observer.observe(table, { childList: true, subtree: true, characterData: true });
  return () => observer.disconnect();
}

const roles: Readonly<Record<string, string>> = {
  TABLE: 'table',
  THEAD: 'rowgroup',
  TBODY: 'rowgroup',
  TR: 'row',
  TD: 'cell',
};

function nameCells(table: HTMLTableElement): void {
  const names = [...(table.tHead?.rows[0]?.cells ?? [])].map(nameOf);
  for (const part of [table, table.tHead, ...table.tBodies, ...table.rows]) if (part) setRole(part);
  for (const row of table.rows) {
    for (const cell of row.cells) {
      setRole(cell);
      const name = cell.colSpan > 1 || cell.tagName === 'TH' ? '' : (names[cell.cellIndex] ?? '');
      if (cell.dataset['label'] !== name) cell.dataset['label'] = name;
    }
  }
}

function setRole(part: HTMLElement): void {
  const role = roles[part.tagName] ?? (part.getAttribute('scope') === 'row' ? 'rowheader' : 'columnheader');
  if (part.getAttribute('role') !== role) part.setAttribute('role', role);
}

/** A name that is for screen readers alone is not shown above cells either. */
const nameOf = (head: HTMLElement): string =>
  head.querySelector('.sr') ? '' : (head.textContent ?? '').trim().replaceAll(/\s+/g, ' ');
