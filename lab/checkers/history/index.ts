export { HistoryError } from './error.ts';
export type { Evidence, Operation, Outcome } from './evidence.ts';
export { type Recording, readHistory } from './read.ts';
export type { Row, SectionName, Sections } from './sections.ts';
export { splitLines } from './split.ts';
export { writeHistory } from './write.ts';
