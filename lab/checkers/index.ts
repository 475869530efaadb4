export * from './books.ts';
export * from './elle/index.ts';
export * from './linearizable/index.ts';
export { type BookSources, readBooks } from './read-books.ts';
