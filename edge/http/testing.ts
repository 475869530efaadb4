/** Reads a page of metrics: gives the figure of the first series that begins with this text, NaN where there is none. */
export function countsOn(page: string): (series: string) => number {
  const lines = page.split('\n');
  return (series) => Number(lines.find((line) => line.startsWith(series))?.split(' ')[1]);
}
