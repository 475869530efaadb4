/** A name as it is shown: a number and its unit stay on one line. */
export function shownName(name: string): string {
  return name.replaceAll(/(\d) (mm|cm|m|kg|g|l|W)\b/g, '$1\u00a0$2');
}
